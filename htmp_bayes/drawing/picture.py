"""A figure that is seen where it is made: in a notebook's cell, in a window, or not at all while files are written."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from matplotlib.figure import Figure

from htmp_bayes._notebook import in_notebook

_SHARPNESS = 330.0  # dots per inch of what a notebook shows, two for each pixel of the page

_hidden: ContextVar[bool] = ContextVar("hidden", default=False)


@contextmanager
def hidden() -> Iterator[None]:
    """Let the figures that are made meanwhile be shown nowhere: they go into files."""
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


class Picture(Figure):
    """A figure that a notebook shows even if it is not the value of a cell, and that pyplot's windows know of.

    Where no window can be opened it is a plain figure of its own, in no registry. Where one can (an interactive backend
    is in use and pyplot is imported), ``plt.show()`` shows it.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        if _hidden.get():
            return
        if _has_windows():
            _adopt(self)
        elif in_notebook():
            _pending.add(self)

    def show(self, warn: bool = True) -> None:
        """Show the figure now: in the notebook, or in a window."""
        if in_notebook() and not _has_windows():
            from IPython.display import display

            display(self)
            return
        _adopt(self)
        super().show(warn)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Draw the figure for IPython: the image, and a size at which two of its pixels make one of the page."""
        _pending.show_those_before(self)
        image = io.BytesIO()
        self.savefig(image, format="png", dpi=_SHARPNESS)
        width, height = self.get_size_inches() * _SHARPNESS
        return image.getvalue(), {"width": round(width / 2), "height": round(height / 2)}


class _Pending:
    """Figures of a notebook's cell that it has not shown yet; at its end it shows them, in the order they were made."""

    def __init__(self) -> None:
        self._figures: list[Picture] = []
        self._listening = False

    def add(self, figure: Picture) -> None:
        if not self._listening:
            sys.modules["IPython"].get_ipython().events.register("post_execute", self.show_all)
            self._listening = True
        self._figures.append(figure)

    def show_all(self) -> None:
        self._show(len(self._figures))

    def show_those_before(self, figure: Picture) -> None:
        """Show what was made before a figure that is shown now, so that the order is kept."""
        places = [place for place, other in enumerate(self._figures) if other is figure]
        if places:
            del self._figures[places[0]]
            self._show(places[0])

    def _show(self, number: int) -> None:
        from IPython.display import display

        shown, self._figures = self._figures[:number], self._figures[number:]
        for figure in shown:
            display(figure)


_pending = _Pending()


def _has_windows() -> bool:
    """Whether pyplot is in use with a backend that opens windows, or draws widgets in a notebook."""
    if "matplotlib.pyplot" not in sys.modules:
        return False
    import matplotlib as mpl
    from matplotlib.backends import BackendFilter, backend_registry

    backend = mpl.get_backend().lower()
    return backend in backend_registry.list_builtin(BackendFilter.INTERACTIVE) or "ipympl" in backend


def _adopt(figure: Figure) -> None:
    """Have pyplot know of a figure."""
    import matplotlib.pyplot as plt

    if figure.canvas.manager is None:
        plt.figure(figure)
