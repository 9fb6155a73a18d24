"""scripts/apigen/parse.py - reads api/schema/*.api into plain Python objects.

An entry starts in column 0 (`option`, `enum`, `struct`, `union`, `alternate`, `command`, `event`, `group`,
`missing`); everything indented below belongs to it: `! attribute value`, `name: type - help`,
anything else is prose.
"""
import re
from dataclasses import dataclass, field

HEAD = re.compile(r'^(\w+)\s+(.*?)(?:\s+- (.*))?$')
MEMBER = re.compile(r'^([\w.-]+)(\??): (\[?[\w-]+\]?|\{[\w|-]+\})(?:\s+- (.*))?$')
CASE = re.compile(r'^case ([\w-]+)(?:: (\w+))?(?:\s+- (.*))?$')


class SchemaError(Exception):
    pass


@dataclass
class Member:
    name: str
    type: str
    optional: bool
    help: str


@dataclass
class Entry:
    kind: str
    name: str
    help: str
    where: str
    doc: list = field(default_factory=list)
    attributes: dict = field(default_factory=dict)
    members: list = field(default_factory=list)
    cases: list = field(default_factory=list)      # unions: (value, type or None, help)
    values: list = field(default_factory=list)     # enums: (value, help)
    aliases: list = field(default_factory=list)    # options
    form: str = ''
    implied: str = ''
    returns: str = ''
    tag: str = ''
    group: str = ''


@dataclass
class Schema:
    groups: list = field(default_factory=list)
    options: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    types: dict = field(default_factory=dict)
    commands: list = field(default_factory=list)
    events: list = field(default_factory=list)


def head_option(entry, words):
    *names, form = words
    match = re.fullmatch(r'(flag|string|global|keyval)(?:\(([\w-]+)\))?', form)
    if not match or not names:
        raise SchemaError(f'{entry.where}: an option reads "option NAME [ALIAS] flag|string|keyval(KEY)"')
    entry.name, entry.aliases = names[0], names[1:]
    entry.form, entry.implied = match[1], match[2] or ''


def head_command(entry, words):
    entry.name = words[0]
    if len(words) == 3 and words[1] == '->':
        entry.returns = words[2]
    elif len(words) != 1:
        raise SchemaError(f'{entry.where}: a command reads "command NAME [-> TYPE]"')


def head_union(entry, words):
    if len(words) != 3 or words[1] != 'by':
        raise SchemaError(f'{entry.where}: a union reads "union NAME by MEMBER"')
    entry.name, entry.tag = words[0], words[2]


def start(kind, rest, help_text, where):
    entry = Entry(kind, rest, help_text or '', where)
    words = rest.split()
    if kind == 'option':
        head_option(entry, words)
    elif kind == 'command':
        head_command(entry, words)
    elif kind == 'union':
        head_union(entry, words)
    elif kind not in ('enum', 'struct', 'alternate', 'event', 'group'):
        raise SchemaError(f'{where}: unknown entry "{kind}"')
    return entry


def body(entry, line, where):
    if line.startswith('! '):
        key, _, value = line[2:].partition(' ')
        entry.attributes[key] = value
        return
    if entry.kind == 'enum':
        value, _, help_text = line.partition(' - ')
        for one in value.split('|'):
            entry.values.append((one.strip(), help_text))
        return
    match = CASE.match(line)
    if match and entry.kind == 'union':
        entry.cases.append((match[1], match[2], match[3] or ''))
        return
    match = MEMBER.match(line)
    if match:
        entry.members.append(Member(match[1], match[3], bool(match[2]), match[4] or ''))
        return
    if entry.kind in ('struct', 'union', 'alternate') and ': ' in line:
        raise SchemaError(f'{where}: cannot read member "{line}"')
    entry.doc.append(line)


def add(schema, entry):
    if entry.kind == 'group':
        schema.groups.append(entry)
    elif entry.kind == 'option':
        entry.group = schema.groups[-1].name
        schema.options.append(entry)
    elif entry.kind == 'command':
        entry.group = schema.groups[-1].name
        schema.commands.append(entry)
    elif entry.kind == 'event':
        entry.group = schema.groups[-1].name
        schema.events.append(entry)
    elif entry.name in schema.types:
        raise SchemaError(f'{entry.where}: type {entry.name} is already declared')
    else:
        schema.types[entry.name] = entry


BUILTINS = ('bool', 'int', 'u64', 'size', 'mib', 'number', 'str', 'any', 'null')


def check(schema):
    """Every named type exists; names are used once."""
    for entry in [*schema.types.values(), *schema.commands, *schema.events]:
        used = [m.type for m in entry.members] + [c[1] for c in entry.cases if c[1]]
        used += [entry.returns] if entry.returns else []
        used += [entry.attributes['takes']] if 'takes' in entry.attributes else []
        for name in used:
            name = name.strip('[]')
            if name not in BUILTINS and name not in schema.types:
                raise SchemaError(f'{entry.where}: unknown type {name}')
    seen = set()
    for option in schema.options:
        for name in [option.name, *option.aliases]:
            if name in seen or name in schema.missing:
                raise SchemaError(f'{option.where}: option -{name} is declared twice, or also "missing"')
            seen.add(name)


def parse(paths):
    schema = Schema()
    for path in paths:
        entry = None
        short = '/'.join(str(path).split('/')[-3:])
        with open(path, encoding='utf-8') as text:
            for number, raw in enumerate(text, 1):
                line, where = raw.rstrip(), f'{short}:{number}'
                if not line or line.lstrip().startswith('#'):
                    continue
                if line[0] == ' ':
                    if entry is None:
                        raise SchemaError(f'{where}: indented line without an entry')
                    body(entry, line.strip(), where)
                    continue
                match = HEAD.match(line)
                if not match:
                    raise SchemaError(f'{where}: cannot read "{line}"')
                if match[1] == 'missing':
                    schema.missing += match[2].split()
                    continue
                entry = start(match[1], match[2], match[3], where)
                add(schema, entry)
    check(schema)
    return schema
