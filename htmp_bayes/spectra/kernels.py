"""Kernel matrices of a torch model on given inputs: the conjugate kernel of its features and its tangent kernel."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from htmp_bayes.spectra.errors import SpectrumError
from htmp_bayes.spectra.readers.torch_module import is_module
from htmp_bayes.spectra.singular_values import GRAM_DOWN_TO
from htmp_bayes.spectra.spectrum import Spectrum

GROUP = 2**30
"""Bytes of the Jacobian that are in memory at a time."""


def conjugate_kernel(model: Any, inputs: Any, layer: str | None = None, name: str = "") -> Spectrum:
    r"""Spectrum of the conjugate kernel: the Gram matrix of a layer's features over the inputs.

    Parameters
    ----------
    model : torch.nn.Module
        It is copied, taken to float64 and set to evaluation, so that batch normalisation and dropout do not
        make one input depend on another or on chance.
    inputs : torch.Tensor, shape (N, ...)
        At least 20 inputs.
    layer : str, optional
        Name of a module (`named_modules`) whose *output* holds the features; by default, what goes *into* the last
        linear module.
    name : str, optional
        Name of the spectrum.

    Returns
    -------
    Spectrum
        Of kind "kernel": the eigenvalues of :math:`\Phi \Phi^\top / n`, with :math:`\Phi` the features of shape
        (N, width) and n the longer of its sides (Fan & Wang, arXiv 2005.11879, up to the scale).

    Raises
    ------
    SpectrumError
        A ValueError, if torch is not there, the layer is not, or the features have no spectrum.

    Examples
    --------
    >>> conjugate_kernel(object(), None)
    Traceback (most recent call last):
    htmp_bayes.spectra.errors.SpectrumError: A kernel is computed of a torch.nn.Module, not of 'object'; ...
    """
    network = _prepared(model)
    features: list[Any] = []
    module, of_input = _feature_module(network, layer)

    def keep(_: Any, taken: tuple[Any, ...], given: Any) -> None:
        features.append(taken[0] if of_input else given)

    handle = module.register_forward_hook(keep)
    try:
        _outputs(network, inputs)
    finally:
        handle.remove()
    if not features:
        raise SpectrumError(
            f"{layer or 'the last linear module'} takes no part in the model's output; name another."
        )
    matrix = features[-1].detach().flatten(1).cpu().numpy()
    return Spectrum.from_matrix(
        matrix, name=name, kind="kernel", meta={"kernel": "conjugate", "layer": layer or ""}
    )


def neural_tangent_kernel(
    model: Any, inputs: Any, output: int | None = None, parameters: str | None = None, name: str = ""
) -> Spectrum:
    r"""Spectrum of the empirical neural tangent kernel: the Gram matrix of the parameters' gradients.

    Parameters
    ----------
    model : torch.nn.Module
        As for `conjugate_kernel`. Its output has the shape (N, outputs).
    inputs : torch.Tensor, shape (N, ...)
        At least 20 inputs.
    output : int, optional
        The output whose gradients are taken; by default all, whose kernels are added up (the trace over the outputs).
    parameters : str, optional
        Regular expression, sought in the names of the parameters; by default all that require a gradient.
    name : str, optional
        Name of the spectrum.

    Returns
    -------
    Spectrum
        Of kind "kernel": the eigenvalues of :math:`J J^\top / n` (Jacot, Gabriel & Hongler, arXiv 1806.07572, section
        4, up to the scale), with J the Jacobian of shape (N, outputs x parameters) and n the longer of its sides.

    Raises
    ------
    SpectrumError
        A ValueError, if torch is not there, no parameter is left, the Jacobian has no spectrum, or it is beyond a
        gibibyte and its smallest eigenvalue is below 1e-9 of the largest, where its Gram matrix is not accurate.

    Notes
    -----
    Gradients are taken one input and one output at a time, in float64. A Jacobian beyond a gibibyte is made in groups
    of parameters, for each of which the gradients are taken anew.

    Examples
    --------
    >>> neural_tangent_kernel(object(), None)
    Traceback (most recent call last):
    htmp_bayes.spectra.errors.SpectrumError: A kernel is computed of a torch.nn.Module, not of 'object'; ...
    """
    network = _prepared(model)
    values = _outputs(network, inputs).flatten(1)
    outputs = list(range(values.shape[1])) if output is None else [output]
    if not set(outputs) <= set(range(values.shape[1])):
        raise SpectrumError(f"output = {output} is not one of the model's {values.shape[1]} outputs.")
    chosen = _chosen_parameters(network, parameters)
    groups = list(_groups(chosen, len(inputs) * len(outputs)))
    meta = {"kernel": "tangent", "parameters": sum(parameter.numel() for parameter in chosen)}
    if len(groups) == 1:
        jacobian = _jacobian(network, inputs, outputs, groups[0])
        return Spectrum.from_matrix(jacobian, name=name, kind="kernel", meta=meta)
    gram = np.zeros((len(inputs), len(inputs)))
    for group in groups:
        jacobian = _jacobian(network, inputs, outputs, group)
        gram += jacobian @ jacobian.T
    return _of_gram(gram, meta["parameters"] * len(outputs), name, meta)


def _of_gram(gram: np.ndarray, columns: int, name: str, meta: dict[str, Any]) -> Spectrum:
    """Spectrum of a Gram matrix that was added up, where its smallest eigenvalue is accurate."""
    eigenvalues = np.linalg.eigvalsh(gram)
    if not eigenvalues[0] > GRAM_DOWN_TO * eigenvalues[-1]:
        raise SpectrumError(
            f"The smallest eigenvalue of the tangent kernel is below {GRAM_DOWN_TO} of the largest, where it is "
            "not accurate; take fewer inputs, one output or fewer parameters."
        )
    n = max(len(gram), columns)
    return Spectrum(eigenvalues / n, n, name=name, kind="kernel", meta=meta)


def _prepared(model: Any) -> Any:
    if not is_module(model):
        raise SpectrumError(
            f"A kernel is computed of a torch.nn.Module, not of {type(model).__name__!r}; torch is an extra "
            "of this package: install htmp-bayes[torch]."
        )
    return copy.deepcopy(model).double().eval()


def _feature_module(network: Any, layer: str | None) -> tuple[Any, bool]:
    """Find the module at which features are taken, and whether they are what goes into it."""
    modules = dict(network.named_modules())
    if layer is not None:
        if layer not in modules:
            raise SpectrumError(f"The model has no module {layer!r}; see model.named_modules().")
        return modules[layer], False
    linear = [module for module in modules.values() if type(module).__name__ == "Linear"]
    if not linear:
        raise SpectrumError("The model has no linear module; name the layer whose output holds the features.")
    return linear[-1], True


def _outputs(network: Any, inputs: Any) -> Any:
    import torch

    with torch.no_grad():
        return network(_as_double(inputs))


def _as_double(inputs: Any) -> Any:
    return inputs.double() if inputs.is_floating_point() else inputs


def _chosen_parameters(network: Any, pattern: str | None) -> list[Any]:
    try:
        wanted = re.compile(pattern or "")
    except re.error as error:
        raise SpectrumError(f"parameters={pattern!r} is not a regular expression ({error}).") from error
    chosen = [p for name, p in network.named_parameters() if p.requires_grad and wanted.search(name)]
    if not chosen:
        raise SpectrumError(f"No parameter that requires a gradient matches {pattern!r}; choose others.")
    return chosen


def _groups(parameters: list[Any], rows: int) -> Iterator[list[Any]]:
    group: list[Any] = []
    size = 0
    for parameter in parameters:
        if group and size + 8 * rows * parameter.numel() > GROUP:
            yield group
            group, size = [], 0
        group.append(parameter)
        size += 8 * rows * parameter.numel()
    yield group


def _jacobian(network: Any, inputs: Any, outputs: list[int], parameters: list[Any]) -> np.ndarray:
    """Gradients by the parameters, of shape (N, outputs x parameters)."""
    import torch

    width = sum(parameter.numel() for parameter in parameters)
    jacobian = np.empty((len(inputs), len(outputs) * width))
    for row in range(len(inputs)):
        values = network(_as_double(inputs[row : row + 1])).flatten()
        for position, output in enumerate(outputs):
            gradients = torch.autograd.grad(
                values[output], parameters, retain_graph=output != outputs[-1], materialize_grads=True
            )
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            jacobian[row, position * width : (position + 1) * width] = flat.cpu().numpy()
    return jacobian
