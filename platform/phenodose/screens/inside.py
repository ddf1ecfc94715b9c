"""What is read of a screen lies in its folder: links that leave it are refused before they are opened.

A screen's folder is copied in by somebody else than the service that reads it. A link in it to a file that the service
may read, and the sender may not, would be told in messages, logs and reports. A plate's folder may lie elsewhere as a
whole, behind a link of its own; its images are looked at by the readers (`phenodose.plugins.raw_folder`).
"""

from __future__ import annotations

from pathlib import Path

from phenodose.errors import InputError


def expect_inside(path: Path, folder: Path) -> Path:
    """The path itself, if it leads to something in the folder, or to nothing.

    Args:
        path: a file or folder, in the folder by its name.
        folder: the screen's folder.

    Raises:
        InputError: it is a link, or lies behind one, that leaves the folder.
    """
    target, root = path.resolve(), folder.resolve()
    if not target.is_relative_to(root):
        raise InputError(
            f"{path}: is a link that leaves the screen's folder (to {target}); copy what it leads to into the folder."
        )
    return path


def expect_files_inside(place: Path, folder: Path) -> None:
    """No file or folder at or below a place is a link that leaves the screen's folder.

    Raises:
        InputError: the first one that does.
    """
    expect_inside(place, folder)
    for path in sorted(place.rglob("*")):
        if path.is_symlink():
            expect_inside(path, folder)


def named_file(folder: Path, name: str) -> Path:
    """A file that screen.toml names: a relative path starts at the screen's folder.

    Raises:
        InputError: the path stays in the folder by its words, and a link there leaves it.
    """
    path = folder / name
    plain = Path(name)
    return path if plain.is_absolute() or ".." in plain.parts else expect_inside(path, folder)
