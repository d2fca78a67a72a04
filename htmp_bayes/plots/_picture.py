"""A figure that notebooks show."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure that a notebook shows as the value of a cell.

    IPython shows plain figures only once pyplot has been imported, which the pictures here do without.
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Draw the figure for IPython: the image, and a size at which two of its pixels make one of the page."""
        image = io.BytesIO()
        self.savefig(image, format="png")
        width, height = self.get_size_inches() * self.dpi
        return image.getvalue(), {"width": round(width / 2), "height": round(height / 2)}
