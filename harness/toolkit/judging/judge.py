"""A judge: a model with the settings under which it grades. Named once, used by many graders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.api import Json, Model

OutputMode = Literal["schema", "json", "tagged"]

_FAMILIES: tuple[tuple[str, str], ...] = (
    ("anthropic", r"claude|anthropic"),
    ("openai", r"gpt|chatgpt|davinci|codex|\bo[1-9]\b|openai"),
    ("google", r"gemini|gemma|palm"),
    ("meta", r"llama"),
    ("mistral", r"mistral|mixtral|magistral|devstral|codestral"),
    ("qwen", r"qwen|qwq"),
    ("deepseek", r"deepseek"),
    ("xai", r"grok"),
    ("cohere", r"command|cohere"),
    ("moonshot", r"kimi|moonshot"),
    ("zhipu", r"glm|chatglm"),
    ("microsoft", r"\bphi"),
    ("amazon", r"nova|titan"),
)
_DATED = re.compile(r"20\d{2}-?[01]\d(-?[0-3]\d)?|@|-\d{3,4}$")
_MINOR = re.compile(r"-\d+-\d+$")


class Retries(BaseModel):
    """What is tried again when a reply cannot be read. Never another model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    repair: int = Field(default=2, ge=0, le=2)
    """Further turns that show what could not be read and hint at no verdict."""
    fresh: int = Field(default=1, ge=0, le=3)
    """New calls from the start, after the repairs."""


class Judge(BaseModel):
    """A judge. In YAML it is the name of one under `judges:`, or written where it is used."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    by_name: ClassVar[str] = "judges"

    name: str = ""
    """What records call it; under `judges:` the key."""
    model: Model
    """The model, always named: `provider/model-snapshot`, or a mapping with `use`. There is no default."""
    output: OutputMode = "schema"
    """How the verdict is asked for: by the provider's JSON schema, as JSON in the reply, or as tagged last lines."""
    retries: Retries = Retries()
    """What is tried again when a reply cannot be read."""
    family: str = ""
    """Whose model it is, for the warning about judges of the subject's own family; read off the name if left out."""
    context: int = Field(default=400_000, ge=1_000)
    """The longest prompt this judge is given, in characters. Longer work is not cut by anybody in silence: see
    `too_long` of the grader."""
    returns: tuple[str, ...] = ()
    """Model names the provider may return besides the model's own and dated forms of it. Any other stops the run."""
    cache: bool | None = None
    """Whether an equal call of an earlier run answers from the cache; yes where calls cost money. Sentinels and
    controls are always asked anew, or nobody would see the judge change."""

    @classmethod
    def spelled(cls, name: str, said: Mapping[str, Json]) -> dict[str, Json]:
        """A judge as `judges:` has it, as this class takes it: `params` become the model's own parameters."""
        found = {k: v for k, v in said.items() if k != "params"}
        found.setdefault("name", name)
        params = said.get("params")
        if isinstance(params, dict):
            own = {("max_output_tokens" if k == "max_tokens" else k): v for k, v in params.items()}
            model = found.get("model")
            found["model"] = {**own, **(model if isinstance(model, dict) else {"use": model})}
        return found

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if not self.name:
            object.__setattr__(self, "name", self.model.lane)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        """In the JSON Schema a name under `judges:` is allowed too."""
        return {"anyOf": [{"type": "string", "description": "a name under `judges:`"}, handler(core_schema)]}

    @property
    def kin(self) -> str:
        """The family, said or read off the model's name."""
        return self.family or family_of(self.model)

    def substituted(self, returned: str) -> bool:
        """Whether the provider answered with another model than was asked for.

        An alias that comes back with its date (`gpt-5.4` as `gpt-5.4-2026-03-01`) is the same model.
        """
        asked = self.model.name
        return not (not returned or returned == asked or returned in self.returns or is_dated(returned, asked))


def is_dated(name: str, alias: str) -> bool:
    """Whether a name is an alias with its date, as `gpt-5.4-2026-03-01` is of `gpt-5.4`."""
    rest = name[len(alias) :] if alias and name.startswith(alias) else "?"
    return re.fullmatch(r"[-@:](20\d{2}[\d-]*|latest|\d{3,8})", rest) is not None


def same_model(one: Model, other: Model) -> bool:
    """Whether two configurations call one model: by its name, or one by an alias of the other's dated name.

    A name says which model it is wherever it is served, so the provider is not asked: a judge reached through a
    gateway is still the subject. Simulated models are themselves only under their own lane.
    """
    if one.simulated or other.simulated:
        return one.lane == other.lane
    a, b = (_spelled_alike(m.name) for m in (one, other))
    return a == b or is_dated(a, b) or is_dated(b, a)


def _spelled_alike(name: str) -> str:
    """The name without a router's prefix and variant, dots as dashes: `anthropic/claude-opus-4.7:free`."""
    plain = re.sub(r":[a-z]+$", "", name.lower().rsplit("/", 1)[-1])
    return plain.replace(".", "-")


def family_of(model: Model) -> str:
    """Whose model it is: by its name, else its provider."""
    if model.simulated:
        return "simulated"
    return family_named(f"{model.provider}/{model.name}")


def family_named(lane: str) -> str:
    """The same of `provider/name`."""
    provider, _, name = lane.partition("/")
    for text in (name.lower(), provider.lower()):
        for family, pattern in _FAMILIES:
            if re.search(pattern, text):
                return family
    return provider


def is_pinned(model: Model) -> bool:
    """Whether the name says which snapshot it is, so that next month's verdicts come from the same model."""
    if model.simulated:
        return True
    name = model.name.lower()
    if "latest" in name:
        return False
    return bool(_DATED.search(name)) or (family_of(model) == "anthropic" and bool(_MINOR.search(name)))


def unpinned(judges: Sequence[Judge]) -> list[str]:
    """A warning for each judge whose model may be another one tomorrow."""
    return [
        f"judge '{j.name}': {j.model.name} names no snapshot; the provider may change it, and its verdicts with it"
        for j in judges
        if not is_pinned(j.model)
    ]
