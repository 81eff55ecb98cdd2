"""docs/messages.md is up to date, every field is described, and every route is what the code does.

The code is read as text: who makes a message, who handles it, who passes it on, and with which topic it is sent. A file
belongs to the process in whose folder it lies, however deep. Everything else under services/ is machinery that all
processes share. The backtest runs the cores in one process and takes the place of the broker and of the clock, so it is
nobody's sender or recipient.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from messages import page
from messages.broker import FromBroker, ToBroker
from messages.frames import Frame

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "services"

_wiring = next(path for path in SERVICES.rglob("wiring.py"))
WIRING = importlib.import_module(".".join(_wiring.relative_to(ROOT).with_suffix("").parts)).WIRING

MACHINERY, EVERY, SHELL, BROKER, CLI = "machinery", "every process", "shell", "broker", "cli"
PROCESSES = {*WIRING, CLI}
STAND_IN = "backtest"

ROUTES = {kind: page.hops(route) for kind, route in page.routes().items()}
KINDS = {(file.__name__, kind.__name__): kind for file in page.files() for kind in page.structs_of(file)}
ROUTED = pytest.mark.parametrize("kind", ROUTES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")

FRAMES = get_args(Frame)
TO_AND_FROM_THE_BROKER = {*get_args(ToBroker), *get_args(FromBroker)}

Kind = type[msgspec.Struct]


class Code:
    """What the sources do with each message, by process."""

    def __init__(self, sources: dict[str, list[str]]) -> None:
        self.makes: dict[Kind, set[str]] = defaultdict(set)
        self.handles: dict[Kind, set[str]] = defaultdict(set)
        self.imports: dict[Kind, set[str]] = defaultdict(set)
        self.passes_on: dict[Kind, set[tuple[str, str]]] = defaultdict(set)
        """(process, topic) of a message that is sent on as it came."""
        self.sends: dict[Kind, set[tuple[str, str]]] = defaultdict(set)
        self.publishes: dict[Kind, set[tuple[str, str]]] = defaultdict(set)
        """(process, topic) of a message that is made in the call that sends or publishes it."""
        for owner, texts in sources.items():
            for text in texts:
                self._read(owner, ast.parse(text))

    def _read(self, owner: str, tree: ast.Module) -> None:
        names = dict(imported(tree))
        for kind in names.values():
            self.imports[kind].add(owner)
        for node in ast.walk(tree):
            match node:
                case ast.MatchClass(cls=ast.Name(name)) if name in names:
                    self.handles[names[name]].add(owner)
                case ast.Compare(left=ast.Call(func=ast.Name("type")), comparators=[ast.Name(name)]) if name in names:
                    self.handles[names[name]].add(owner)
                case ast.Call(func=ast.Name("isinstance"), args=[_, kinds]):
                    self._handled(owner, kinds, names)
                case ast.Call(func=ast.Attribute(attr="Decoder"), args=[kinds, *_]):
                    self._handled(owner, kinds, names)
                case ast.Call(func=ast.Name(name)) if name in names:
                    self.makes[names[name]].add(owner)
                case ast.Call(func=ast.Attribute(attr="send"), args=[to, ast.Call(func=ast.Name(name))]):
                    self._sent(self.sends, owner, to, names.get(name))
                case ast.Call(func=ast.Attribute(attr="publish"), args=[to, ast.Call(func=ast.Name(name))]):
                    self._sent(self.publishes, owner, to, names.get(name))
            if isinstance(node, ast.Match):
                self._passed_on(owner, node, names)

    def _sent(self, where: dict[Kind, set[tuple[str, str]]], owner: str, to: ast.expr, kind: Kind | None) -> None:
        if kind is not None:
            where[kind].update((owner, topic) for topic in topics(to))

    def _handled(self, owner: str, kinds: ast.expr, names: dict[str, Kind]) -> None:
        for node in ast.walk(kinds):
            if isinstance(node, ast.Name) and node.id in names:
                self.handles[names[node.id]].add(owner)

    def _passed_on(self, owner: str, node: ast.Match, names: dict[str, Kind]) -> None:
        """`case X(): d.send(topic, message)`, where `message` is what is matched."""
        for case in node.cases:
            found = [part.cls for part in ast.walk(case.pattern) if isinstance(part, ast.MatchClass)]
            kinds = [names[cls.id] for cls in found if isinstance(cls, ast.Name) and cls.id in names]
            for statement in case.body:
                for call in ast.walk(statement):
                    match call:
                        case ast.Call(func=ast.Attribute(attr="send"), args=[to, what]):
                            if ast.dump(what) == ast.dump(node.subject):
                                for kind in kinds:
                                    self.passes_on[kind].update((owner, topic) for topic in topics(to))


def imported(tree: ast.Module) -> Iterator[tuple[str, Kind]]:
    """The messages that a file imports, by the names that it gives them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                if (node.module, name.name) in KINDS:
                    yield name.asname or name.name, KINDS[node.module, name.name]


def topics(to: ast.expr) -> Iterator[str]:
    """What the first argument of `send` can be: a process, 'fleet', 'broker', or '$' for a ticker."""
    match to:
        case ast.Constant(str(topic)):
            yield topic
        case ast.Name("FLEET"):
            yield "fleet"
        case ast.JoinedStr([ast.Constant(str(start)), *_]) if start.removesuffix("-") in PROCESSES:
            yield start.removesuffix("-")
        case ast.BoolOp(values=values):
            for value in values:
                yield from topics(value)
        case ast.Name("scope") | ast.Attribute(attr="scope"):
            yield from ("$", "fleet")
        case _:
            yield "$"


def owner_of(path: Path) -> str:
    folder = path.relative_to(SERVICES).parts[0]
    return folder if folder in PROCESSES or folder == STAND_IN else MACHINERY


def sources() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(SERVICES.rglob("*.py")):
        found[owner_of(path)].append(path.read_text())
    return found


CODE = Code(sources())


def route(kind: Kind, code: Code) -> list[tuple[str, ...]]:
    """The stations of a message, as the code has them."""
    made, handled = code.makes[kind] - {STAND_IN}, code.handles[kind] - {STAND_IN}
    if (
        kind in TO_AND_FROM_THE_BROKER
    ):  # `crazy rescue` and `crazy paper-probe` talk to the broker through the same edge
        made, handled = made - {CLI}, handled - {CLI}
    between = {process for process, _ in code.passes_on[kind]}
    if made == handled == {"gateway"}:  # core and edge are one process
        to_broker = ("gateway", BROKER) in code.sends[kind]
        return [("gateway",), (BROKER,)] if to_broker else [(BROKER,), ("gateway",)]
    if kind in FRAMES:
        senders = {EVERY} if MACHINERY in made else made
        recipients = {EVERY} if MACHINERY in handled else handled - made
    else:
        # What a process makes and handles itself stays inside it.
        senders, recipients = made - handled - {MACHINERY}, handled - between - {MACHINERY}
        if handled == {MACHINERY}:  # both ends of a control socket
            recipients = code.imports[kind] - made - {MACHINERY, STAND_IN}
        elif MACHINERY in made:
            senders = {EVERY}
        elif MACHINERY in handled and not code.sends[kind]:  # published: the machinery takes it for the subscribers
            recipients |= {name for name, wiring in WIRING.items() if senders & wiring.subscribes.keys()}
    return [tuple(sorted(station)) for station in (senders, between, recipients) if station or station is not between]


def reaches(sender: str, topic: str, recipient: str) -> bool:
    """Whether the wiring brings what `sender` sends under this topic to `recipient`."""
    there, here = WIRING[recipient], WIRING[sender]
    connected = sender in there.dials or recipient in here.dials
    wanted = there.dials.get(sender, there.wants if recipient in here.dials else ())
    published = there.subscribes.get(sender, ())
    by_row = connected and (topic == recipient or topic in wanted or "*" in wanted or "**" in wanted)
    return by_row or topic in published or "" in published


@ROUTED
def test_a_route_is_what_the_code_does(kind: Kind) -> None:
    stations = [(EVERY,) if station == (SHELL,) else station for station in ROUTES[kind]]
    assert stations == route(kind, CODE)


def test_most_topics_are_read() -> None:
    """The test below is only as good as what it finds: all but a few classes are made in the call that sends them."""
    assert sum(bool(CODE.sends[kind] or CODE.publishes[kind] or CODE.passes_on[kind]) for kind in ROUTES) > 35


@ROUTED
def test_a_message_is_sent_to_those_who_handle_it(kind: Kind) -> None:
    recipients = set(ROUTES[kind][-1]) - {EVERY, CLI, BROKER}
    between = {name for station in ROUTES[kind][1:-1] for name in station}
    sent = CODE.passes_on[kind] or CODE.sends[kind] | CODE.publishes[kind]
    sent = {(sender, topic) for sender, topic in sent if sender in PROCESSES and topic != BROKER}
    named = {topic for _, topic in sent if topic in PROCESSES}
    assert named <= recipients | between, "sent to a process that does not handle it"
    if sent:
        reached = {name for name in recipients if any(reaches(sender, topic, name) for sender, topic in sent)}
        assert reached == recipients, f"sent to {sorted(sent)}"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, "cli -> risk -> gateway"),
        ({"symbol": "case Flatten(): pass"}, "cli -> risk -> gateway, symbol"),
        ({"clock": "x = Flatten()"}, "cli, clock -> risk -> gateway"),
        ({"gateway": "case Adopt(): pass"}, "cli -> risk -> "),
        ({"risk": "case Flatten(): pass"}, "cli -> gateway, risk"),
        ({"machinery": "x = Flatten()"}, "every process -> risk -> gateway"),
        ({"cli": "x = None"}, " -> risk -> gateway"),
    ],
)
def test_a_change_of_the_code_changes_the_route(change: dict[str, str], found: str) -> None:
    """So a table that is not changed with the code fails."""
    code = {"cli": "x = Flatten()", "risk": "case Flatten(): d.send('gateway', m)", "gateway": "case Flatten(): pass"}
    texts = {}
    for owner, text in {**code, **change}.items():
        body = f"match m:\n  {text}" if text.startswith("case") else text
        texts[owner] = [f"from messages.operator import Adopt, Flatten\n{body}"]
    flatten = KINDS["messages.operator", "Flatten"]
    assert " -> ".join(", ".join(station) for station in route(flatten, Code(texts))) == found


def test_a_part_without_a_route_travels_in_a_message() -> None:
    parts = set(KINDS.values()) - ROUTES.keys()
    lines = re.findall(r"^\| `(\w+)` \| in `", page.markdown(), re.MULTILINE)
    assert sorted(lines) == sorted(kind.__name__ for kind in parts)
    assert not [kind for kind in parts if kind.__struct_config__.tag is not None], "what has a tag has a route"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_message_and_every_field_is_described(kind: Kind) -> None:
    meaning, _, own = page.described(kind.__doc__ or "")
    fields = page.fields_of(kind)
    hints = kind.__annotations__
    assert meaning.endswith("."), "a sentence in the first line"
    assert [name for name in own if name not in fields] == [], "fields that do not exist"
    assert [name for name, (_, says) in fields.items() if not says.endswith(".")] == [], "fields without a sentence"
    numbers = [name for name in fields if hints[name] in ("float", "float | None")]
    assert [name for name in numbers if not fields[name][0]] == [], "floats without a unit"
    assert [name for name in own if own[name] == page.common().get(name)] == [], "said twice"


def test_what_is_common_is_common() -> None:
    """A meaning that only one class needs is said in that class."""
    needed = [
        name for kind in KINDS.values() for name in page.fields_of(kind) if name not in page.described(kind.__doc__)[2]
    ]
    assert [name for name in page.common() if needed.count(name) < 2] == []


def test_the_page_is_up_to_date() -> None:
    found = (ROOT / "docs" / "messages.md").read_text()
    assert found == page.markdown() + "\n", "renew it: python -m messages.page > docs/messages.md"


def test_every_link_of_the_contents_has_its_heading() -> None:
    text = page.markdown()
    headings = [re.sub(r"[^a-z_ ]", "", line.lower()) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    links = re.findall(r"\]\(#([a-z_]+)\)", text)
    assert len(links) == len(page.files())
    assert [link for link in links if link not in headings] == []
