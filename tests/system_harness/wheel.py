"""A wheel of the sources as they are, made without the network: what `pip wheel` makes, less the build system."""

import zipfile
from importlib.metadata import distribution
from pathlib import Path

import harvester

_SOURCES = Path(harvester.__file__).parent


def make_wheel(folder: Path) -> Path:
    """Write the wheel, under the name that the docs call it by."""
    installed = distribution("harvester")
    about = f"harvester-{installed.version}.dist-info"
    path = folder / f"harvester-{installed.version}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "METADATA": installed.read_text("METADATA") or "",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": installed.read_text("entry_points.txt") or "",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for file in sorted(_SOURCES.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                wheel.write(file, Path("harvester") / file.relative_to(_SOURCES))
        for name, text in texts.items():
            wheel.writestr(f"{about}/{name}", text)
        names = [*wheel.namelist(), f"{about}/RECORD"]
        wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in names))
    return path
