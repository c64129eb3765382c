"""What untar will unpack, decided from the archive's headers alone, before anything is written.

Python's `data` filter is the second lock, not the first: it asks the file system where links lead, and long chains of
links have fooled it (CVE-2025-4517). Here links are followed within the plan, and made when all files are in place; so
nothing is ever written through one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from backports import tarfile

from airfreight.errors import TerminalStepError
from airfreight.steps.archive import ArchiveLimits, Contents
from airfreight.steps.ignore import Ignored, is_git

Parts = tuple[str, ...]
Plan = Mapping[Parts, tarfile.TarInfo]
"""Where what goes; a hard link stands as the file that it shares."""

_LONGEST_TARGET = 4095
_MOST_LINKS = 40  # as many as Linux follows
_MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class Wanted:
    """Which entries are asked for: the config's `stripComponents` and `ignore`."""

    strip: int
    ignored: Ignored
    limits: ArchiveLimits

    def place(self, member: tarfile.TarInfo) -> Parts:
        """Return where the entry goes; empty for one that is not asked for, as Git's own files never are.

        Raises TerminalStepError where it must not go there; so for Git's own files under a guise.
        """
        raw = member.name.split("/")
        if len(raw) > self.limits.depth:
            raise TerminalStepError(f"an entry is deeper than {self.limits.depth} folders")
        parts = tuple(part for part in raw[self.strip :] if part not in ("", "."))
        shown = "/".join(parts)
        if not parts or ".git" in parts or self.ignored.holds(shown, is_folder=member.isdir()):
            return ()
        if member.name.startswith("/") or ".." in raw:
            raise TerminalStepError(f"entry {member.name!r} leads out of outPath")
        if "\\" in shown or "\0" in shown:
            raise TerminalStepError(f"entry {member.name!r} has a backslash or NUL in its name")
        if any(is_git(part) for part in parts):
            raise TerminalStepError(f"entry {member.name!r} leads into Git's own files")
        return parts


def read_plan(
    archive: tarfile.TarFile, wanted: Wanted, on_special: Callable[[str], object]
) -> Plan:
    """Read all headers; `on_special` gets the names of devices and pipes, which are left out.

    Raises TerminalStepError where an entry must not be unpacked or all are too much, and what tarfile raises.
    """
    plan: dict[Parts, tarfile.TarInfo] = {}
    shareable: dict[str, tarfile.TarInfo] = {}
    contents = Contents(wanted.limits)
    for member in _members(archive, wanted.limits):
        place = wanted.place(member)
        if not place:
            continue
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            on_special(member.name)
            continue
        entry = _shared(member, shareable) if member.islnk() else member
        if entry.isreg():
            contents.add(member.name, entry.size)
            shareable[_plain(member.name)] = entry
        _put(plan, place, entry)
    _check_tree(plan)
    return plan


def _members(archive: tarfile.TarFile, limits: ArchiveLimits) -> Iterator[tarfile.TarInfo]:
    count, last = 0, -1
    while (member := archive.next()) is not None:
        count += 1
        if count > limits.entries:
            raise TerminalStepError(f"there are more than {limits.entries:,} entries")
        if member.size < 0 or member.offset_data <= last:
            raise tarfile.ReadError("an entry leads back")
        last = member.offset_data
        # Each entry has a copy of all that global headers say.
        member.pax_headers = {}
        yield member
    # tarfile takes a damaged header for the end; the real one is a block of zeros, or the end of the file.
    if archive.fileobj is not None:
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError("a header is damaged")


def _shared(member: tarfile.TarInfo, files: Mapping[str, tarfile.TarInfo]) -> tarfile.TarInfo:
    shared = files.get(_plain(member.linkname))
    if shared is None:
        raise TerminalStepError(
            f"entry {member.name!r} is a hard link to {member.linkname!r},"
            " which is no file that is unpacked before it"
        )
    return shared


def _plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _put(plan: dict[Parts, tarfile.TarInfo], place: Parts, entry: tarfile.TarInfo) -> None:
    """Plan an entry; of two files with one name the later one counts, as for every tar."""
    earlier = plan.get(place)
    if earlier is not None and not (
        (earlier.isreg() and entry.isreg()) or (earlier.isdir() and entry.isdir())
    ):
        raise TerminalStepError(f"entry {'/'.join(place)!r} is there twice, and not as a file")
    plan[place] = entry


def _check_tree(plan: Plan) -> None:
    """Refuse what lies under something that is no folder, and links that lead out."""
    for place in plan:
        for end in range(1, len(place)):
            above = plan.get(place[:end])
            if above is not None and not above.isdir():
                raise TerminalStepError(
                    f"entry {'/'.join(place)!r} leads through {'/'.join(place[:end])!r},"
                    " which is no folder"
                )
    walk = _Walk(plan)
    for place, entry in plan.items():
        if entry.issym():
            walk.check(place, entry.linkname)


class _Walk:
    """Follows links as the kernel would, within the plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._left = _MOST_STEPS

    def check(self, place: Parts, target: str) -> None:
        """Refuse a link at `place` that leads out of the plan, into Git's own files, or in a circle."""
        reason = self._reason(list(place[:-1]), target)
        if reason:
            raise TerminalStepError(
                f"entry {'/'.join(place)!r} is a symbolic link to {target[:100]!r}, which {reason}"
            )

    def _reason(self, at: list[str], target: str) -> str:
        ahead = self._turned(target)
        links = 1
        while ahead:
            self._left -= 1
            part = ahead.pop()
            if part == "/" or (part == ".." and not at):
                return "leads out of outPath"
            if is_git(part):
                return "leads into Git's own files"
            if part == "..":
                at.pop()
                continue
            at.append(part)
            link = self._plan.get(tuple(at))
            if link is not None and link.issym():
                at.pop()
                ahead += self._turned(link.linkname)
                links += 1
            if links > _MOST_LINKS or self._left < 0:
                return "leads in a circle, or through too many links"
        return ""

    @staticmethod
    def _turned(target: str) -> list[str]:
        """Return the parts of a link's target, the last one first; an absolute one begins with ``/``."""
        if len(target) > _LONGEST_TARGET or not target or "\0" in target:
            return ["/"]
        parts = [part for part in target.split("/") if part not in ("", ".")]
        return [*reversed(parts), *(["/"] if target.startswith("/") else [])]
