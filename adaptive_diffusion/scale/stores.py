"""Where the files of a run lie: a folder, or a bucket of an object store. What is there is whole."""

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from ..files import sweep, write_atomically, write_new, writing
from ..quoting import quoted, without_secrets
from .extra import installed
from .reasons import first_line

TRIES, PAUSE = 4, 0.5


class Store(ABC):
    """Files by their names, none of them in a folder of its own. place: as a person named it."""

    place: str

    @abstractmethod
    def names(self) -> set[str]:
        """What is there; hidden files and those that are being written are not."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """FileNotFoundError where there is none."""

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Write a file whole, over one that was there. ValueError, in a sentence, where that cannot be."""

    @abstractmethod
    def put_new(self, name: str, data: bytes) -> None:
        """Write a file whole, unless one is there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Take a file away, where it is there."""

    @abstractmethod
    def sweep(self) -> None:
        """Take away what killed writers have left of files; only where nobody writes."""


class Folder(Store):
    def __init__(self, folder: Path):
        self.place, self.folder = str(folder), folder.absolute()

    def names(self) -> set[str]:
        found = self.folder.iterdir() if self.folder.exists() else ()
        return {path.name for path in found if not path.name.startswith(".")}

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        write_atomically(self.folder / name, data)

    def put_new(self, name: str, data: bytes) -> None:
        write_new(self.folder / name, data)

    def remove(self, name: str) -> None:
        with writing(self.folder / name):
            (self.folder / name).unlink(missing_ok=True)

    def sweep(self) -> None:
        with writing(self.folder):
            sweep(self.folder)


class Bucket(Store):
    """A place of an object store, or of any other filesystem that pyarrow opens by its address.

    A call that fails is made again a few times: a name means the same bytes, whoever writes them, and one that is there
    with all of them was written, whatever the call said of it.
    """

    def __init__(self, address: str):
        from pyarrow import fs

        self.place = without_secrets(address)
        self._files, self._root = fs.FileSystem.from_uri(address)

    def as_folder(self) -> Folder | None:
        """The folder, where the address is one of this machine: there a file may be seen before it is whole."""
        return Folder(Path(self._root)) if self._files.type_name == "local" else None

    def names(self) -> set[str]:
        from pyarrow.fs import FileSelector

        everything = FileSelector(self._root, allow_not_found=True)
        found = self._patiently(lambda: self._files.get_file_info(everything), "listed")
        return {info.base_name for info in found if info.is_file}

    def read(self, name: str) -> bytes:
        def read() -> bytes:
            with self._files.open_input_file(self._path(name)) as file:
                return file.read()

        return self._patiently(read, "read")

    def put(self, name: str, data: bytes) -> None:
        def put() -> None:
            try:
                with self._files.open_output_stream(self._path(name)) as file:
                    file.write(data)
            except OSError:
                if not self._holds(name, data):
                    raise

        self._patiently(put, "written to")

    def put_new(self, name: str, data: bytes) -> None:
        """As pyarrow has it, which cannot ask a store to refuse: of two that write at once the later one stays."""
        if name not in self.names():
            self.put(name, data)

    def remove(self, name: str) -> None:
        if name in self.names():
            self._patiently(lambda: self._files.delete_file(self._path(name)), "written to")

    def sweep(self) -> None:
        """Nothing: what was not put whole is not there."""

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _holds(self, name: str, data: bytes) -> bool:
        try:
            return self.read(name) == data
        except (OSError, ValueError):
            return False

    def _patiently(self, call: Any, what: str) -> Any:
        for attempt in range(TRIES):
            try:
                return call()
            except FileNotFoundError:
                raise
            except OSError as error:
                if attempt == TRIES - 1:
                    raise ValueError(
                        f"{quoted(self.place)} cannot be {what} ({first_line(error)}); look at the store and "
                        "run it again"
                    ) from error
                time.sleep(PAUSE * 2**attempt)


def open_store(place: str) -> Store:
    """The folder or, by an address such as s3://bucket/run, the place of an object store; ValueError for a bad one."""
    if "://" not in place:
        return Folder(Path(place))
    with installed():
        store = _bucket(place)
    return store.as_folder() or store


def _bucket(place: str) -> Bucket:
    try:
        return Bucket(place)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{quoted(without_secrets(place))} cannot be opened ({reason(error, place)}); write s3://bucket/folder"
        ) from error


def reason(error: Exception, address: str) -> str:
    """What an error says in its first line, where it may repeat the address that was used."""
    return first_line(str(error).replace(address, without_secrets(address)))
