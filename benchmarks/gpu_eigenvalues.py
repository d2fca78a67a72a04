"""Compare eigenvalues of large matrices, and the time they take, on a GPU through torch and on the CPU.

    python -m uv run --extra torch python benchmarks/gpu_eigenvalues.py

Matrices as large language models have them, of noise with columns of different scale; one is graded over twelve
decades, which takes the singular value decomposition. Each is read twice by `squared_singular_values`: once with the
GPU that torch finds, and once without. What counts as a failure: eigenvalues that differ by more roundings of the
largest one than the root of their number. Exit code 1 then, and 2 where there is no GPU. Most of the time is the CPU's:
`--largest 4096` leaves out what is larger.
"""

import argparse
import sys
import time

import numpy as np

from htmp_bayes.spectra import singular_values

SHAPES = ((2048, 2048), (4096, 4096), (4096, 11008), (8192, 8192))


def matrices(largest: int) -> dict[str, np.ndarray]:
    """Make the matrices, by name."""
    rng = np.random.default_rng(1)
    made = {}
    for rows, columns in SHAPES:
        if rows <= largest:
            scales = np.exp(0.3 * rng.standard_normal((rows, 1), dtype=np.float32))
            made[f"{rows}x{columns}"] = scales * rng.standard_normal((rows, columns), dtype=np.float32)
    graded = np.logspace(0, -6, 2048)[:, None] * rng.standard_normal((2048, 4096))
    return made | {"2048x4096, graded": graded}


def timed(matrix: np.ndarray, device: str) -> tuple[np.ndarray, float]:
    """Eigenvalues of a matrix on a device ("" for the CPU), and seconds on the wall."""
    singular_values._device = lambda shorter: device
    start = time.perf_counter()
    found = singular_values.squared_singular_values(lambda: matrix)
    return found, time.perf_counter() - start


def main() -> int:
    """Print a table, and say whether the eigenvalues agree."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--largest", type=int, default=8192, help="shorter side up to which matrices are tried"
    )
    largest = parser.parse_args().largest
    device = singular_values._device(singular_values.DEVICE_FROM)
    if not device:
        print("No GPU is found through torch; nothing is compared.", file=sys.stderr)
        return 2
    import torch

    print(torch.cuda.get_device_name())
    timed(np.eye(2048) + np.ones((2048, 2048)), device)  # the first call of a process loads the library
    print(f"{'matrix':20}{'GPU, s':>10}{'CPU, s':>10}{'CPU/GPU':>10}{'roundings':>12}")
    agree = True
    for name, matrix in matrices(largest).items():
        (on_gpu, seconds), (on_cpu, longer) = timed(matrix, device), timed(matrix, "")
        apart = float(np.abs(on_gpu - on_cpu).max() / on_cpu[0] / np.finfo(np.float64).eps)
        agree &= apart < np.sqrt(len(on_cpu))
        print(f"{name:20}{seconds:10.2f}{longer:10.2f}{longer / seconds:10.1f}{apart:12.1f}", flush=True)
    return int(not agree)


if __name__ == "__main__":
    raise SystemExit(main())
