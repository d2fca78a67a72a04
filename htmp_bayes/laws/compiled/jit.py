"""How the functions of this package are compiled, said once.

Each is kept on disk (`cache`), runs without Python's lock (`nogil`), and divides as NumPy does: no exception for a
division by zero (`error_model`).
"""

import numba

from htmp_bayes.laws.compiled.cache_place import find_cache_place

find_cache_place()  # Numba looks for a place when it decorates a function, and PyTensor when it is imported

jit = numba.njit(cache=True, nogil=True, error_model="numpy")
# Only order and contraction of sums and products are freed here, so that loops use vector instructions.
jit_sum = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
# The reduction of an angle depends on the order of its subtractions; these are inlined into the loops all the same.
jit_ordered = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
