"""Build the layer of an agent: fetch, check, lay down, close, name by content; and prove it is still what it was."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.agents import locked, musl, npm
from harness.agents.faults import not_written
from harness.agents.recipes import RECIPES, TRIPLES, Recipe, Tarball
from harness.errors import UsageFault
from harness.plugins.loader import did_you_mean
from harness.toolkit.agent_layers import MANIFEST, ROOT, Layer, LayerSource, find_layer, layers_home, this_platform
from harness.toolkit.layer_lock import changed
from harness.toolkit.layer_tree import close_tree, remove_tree, sha256_of, tree_of

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An agent at a version."""

    recipe: Recipe
    version: str


def read_spec(spec: str) -> Wanted:
    """`claude_code@2.1.329`; without a version the one this release was tested with. Raises UsageFault."""
    name, _, version = spec.partition("@")
    recipe = RECIPES.get(name)
    if recipe is None:
        name = name or spec
        hint = [did_you_mean(name, list(RECIPES)), f"agents: {', '.join(RECIPES)}"]
        raise UsageFault(f"no agent named '{name}'", help=" — ".join(h for h in hint if h))
    return Wanted(recipe, version or recipe.version)


def install(wanted: Wanted, say: Say, home: Path | None = None, accept: Callable[[Layer], None] | None = None) -> Layer:
    """The layer, built if it is not there. `accept` may raise before it is put into the store.

    Raises UsageFault for a version there is none of, RunInvalid for a bad checksum, an unreachable registry, or a store
    that cannot be written.
    """
    store = home or layers_home()
    try:
        return _installed(wanted, say, store, accept)
    except OSError as e:
        raise not_written(f"{wanted.recipe.name}@{wanted.version}", store, e) from e


def _installed(wanted: Wanted, say: Say, store: Path, accept: Callable[[Layer], None] | None) -> Layer:
    store.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(store / f".{wanted.recipe.name}.lock"):
        found = find_layer(wanted.recipe.name, wanted.version, store)
        if found is not None and (wrong := changed(found[1], found[0])):
            say(f"{found[0].spec} is not as it was built, and is built again: {wrong}")
            remove(found[1])
            found = None
        if found is not None:
            if accept is not None:
                accept(found[0])
            return _as_known(wanted.recipe, *found)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=store) as scratch:
            root = Path(scratch) / ROOT
            root.mkdir()
            layer = _build(wanted, root, say)
            if accept is not None:
                accept(layer)
            return _settle(layer, Path(scratch), store)


def remove(folder: Path) -> None:
    """Remove a layer from the store."""
    remove_tree(folder)


def record_smoke(folder: Path, layer: Layer, smoke: dict[str, object]) -> Layer:
    """Write down how the smoke run went. Only the manifest changes, never what is mounted."""
    told = msgspec.structs.replace(layer, smoke=smoke)
    _write_manifest(folder, told)
    return told


def _as_known(recipe: Recipe, layer: Layer, folder: Path) -> Layer:
    """A layer that was built before, with what is known today of what an image must have."""
    needs = recipe.without_loader.needs if recipe.without_loader and "glibc" in layer.platform else recipe.needs
    if needs == layer.needs:
        return layer
    told = msgspec.structs.replace(layer, needs=needs)
    _write_manifest(folder, told)
    return told


def _write_manifest(folder: Path, layer: Layer) -> None:
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(layer), indent=2) + b"\n")


def _build(wanted: Wanted, root: Path, say: Say) -> Layer:
    arch = this_platform().removeprefix("linux-")
    if arch not in TRIPLES:
        raise UsageFault(f"there are no agents for {this_platform()}: layers are made for x64 and arm64")
    recipe, sources = wanted.recipe, []
    if recipe.how == "node":
        sources += locked.install_node(recipe, wanted.version, root)
    elif recipe.how == "python":
        sources += locked.install_python(recipe, wanted.version, arch, root)
    sources += _unpacked(recipe.tarballs, wanted.version, arch, root, say)
    if recipe.libc == "musl":
        loader = musl.add_loader(root, root / recipe.entry[0])
        if loader is not None:
            sources.append(loader)
        elif recipe.without_loader is not None:
            say("no musl loader is to be had here: the build for glibc is installed, which needs glibc in the image")
            (root / recipe.entry[0]).unlink()
            recipe = recipe.without_loader
            sources = _unpacked(recipe.tarballs, wanted.version, arch, root, say)
    for pattern in recipe.executable:
        for path in root.glob(pattern):
            path.chmod(0o755)
    close_tree(root)
    tree, program = tree_of(root), root / recipe.entry[0]
    return Layer(
        name=recipe.name,
        version=wanted.version,
        platform="-".join(p for p in (this_platform(), recipe.libc) if p),
        entry=recipe.entry,
        tree=tree.digest,
        binary=sha256_of(program) if program.is_file() else tree.digest,
        size=tree.size,
        sources=tuple(sorted(sources, key=lambda s: (s.registry, s.package))),
        needs=recipe.needs,
        path=recipe.path,
        built=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _unpacked(tarballs: Sequence[Tarball], version: str, arch: str, root: Path, say: Say) -> list[LayerSource]:
    names = {"arch": arch, "triple": TRIPLES[arch], "v": version}
    made = []
    for tarball in tarballs:
        package, at = tarball.package.format(**names), tarball.version.format(**names)
        say(f"fetching {package}@{at}")
        with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
            fetched = npm.fetch(package, at, Path(scratch))
            take = {wanted.format(**names): place for wanted, place in tarball.take.items()}
            npm.unpack(fetched.file, take, tarball.drop, root)
        made.append(fetched.source)
    return made


def _settle(layer: Layer, scratch: Path, store: Path) -> Layer:
    """Move a built layer to its place. Whole or not there: a rename is the last step."""
    _write_manifest(scratch, layer)
    place = store / layer.folder
    if place.exists():
        remove_tree(place)
    made = store / f".whole-{layer.folder}"
    remove_tree(made)
    made.mkdir()
    (scratch / ROOT).chmod(0o755)  # a folder is moved only by who may write into it
    for name in (ROOT, MANIFEST):
        (scratch / name).rename(made / name)
    (made / ROOT).chmod(0o555)
    made.rename(place)
    return layer


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """One build of an agent at a time on this machine: others wait, and then find it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
