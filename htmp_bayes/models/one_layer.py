"""The PyMC model of one layer, whatever its population is."""

from typing import TYPE_CHECKING

from htmp_bayes.models.free.model import free_layer_model
from htmp_bayes.models.layer.data import FREE, LayerData
from htmp_bayes.models.layer.model import parametric_model

if TYPE_CHECKING:
    import pymc as pm


def layer_model(data: LayerData) -> "pm.Model":
    r"""PyMC model of one layer's spectrum, with the aspect ratio known.

    The prior is that of :mod:`htmp_bayes.models.layer.prior`, the likelihood that of
    :mod:`htmp_bayes.models.layer.likelihood`.

    Parameters
    ----------
    data : LayerData
        What :func:`~htmp_bayes.models.layer.data.layer_data` returns.

    Returns
    -------
    pymc.Model
        With variables ``kappa``, ``correlation`` (unless the population is "none"), ``location`` and the
        deterministic ``temperature`` and ``dyson_index``. The likelihood is a ``Potential``. For the population
        "free" see :func:`htmp_bayes.models.free.model.free_layer_model`.

    Examples
    --------
    >>> import numpy as np
    >>> from htmp_bayes.models import layer_data
    >>> model = layer_model(layer_data(np.linspace(0.5, 2.0, 50), gamma=0.25))
    >>> [rv.name for rv in model.free_RVs]
    ['kappa', 'correlation', 'location']
    """
    return free_layer_model(data) if data.population == FREE else parametric_model(data)
