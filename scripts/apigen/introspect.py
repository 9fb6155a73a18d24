"""scripts/apigen/introspect.py - the answer of query-qmp-schema, in QEMU's format, as C text.

Types are numbered instead of named, since clients must not rely on names; all whole numbers are "int".
"""
import json

from .cnames import banner

BUILTINS = {'str': 'string', 'any': 'value', 'bool': 'boolean', 'int': 'int', 'null': 'null', 'number': 'number'}
SAME = {'u64': 'int', 'size': 'int'}


class Numbering:
    def __init__(self, schema):
        self.schema, self.names, self.pending, self.out = schema, {}, [], []
        self.names['q_empty'] = '0'
        self.empty = {'name': '0', 'meta-type': 'object', 'members': []}
        self.emitted_builtins = []

    def ref(self, name):
        """The name that clients see; the type is queued for output."""
        name = SAME.get(name, name)
        if name.startswith('['):
            inner = self.ref(name[1:-1])
            if name not in self.names:
                self.names[name] = f'[{inner}]'
                self.pending.append(name)
            return self.names[name]
        if name in BUILTINS:
            if name not in self.emitted_builtins:
                self.emitted_builtins.append(name)
            return name
        if name not in self.names:
            self.names[name] = str(len([n for n in self.names if not n.startswith('[')]))
            self.pending.append(name)
        return self.names[name]

    def struct_ref(self, key, members):
        """The number of an implicit object type: arguments of a command, data of an event."""
        if not members:
            return '0'
        self.names[key] = str(len([n for n in self.names if not n.startswith('[')]))
        self.out.append(self.object(self.names[key], members))
        return self.names[key]

    def object(self, number, members):
        rows = []
        for m in members:
            row = {'name': m.name, 'type': self.ref(m.type)}
            if m.optional:
                row['default'] = None
            rows.append(row)
        return {'name': number, 'members': rows, 'meta-type': 'object'}

    def emit(self, name):
        number = self.names[name]
        if name.startswith('['):
            return {'name': number, 'element-type': self.ref(name[1:-1]), 'meta-type': 'array'}
        entry = self.schema.types[name]
        if entry.kind == 'enum':
            values = [v for v, _ in entry.values]
            return {'name': number, 'members': [{'name': v} for v in values], 'meta-type': 'enum', 'values': values}
        if entry.kind == 'alternate':
            return {'name': number, 'members': [{'type': self.ref(m.type)} for m in entry.members], 'meta-type': 'alternate'}
        out = self.object(number, entry.members)
        if entry.cases:
            out['tag'] = entry.tag
            out['variants'] = [{'case': v, 'type': self.ref(t) if t else '0'} for v, t, _ in entry.cases]
        return out


def describe(schema):
    numbering, top = Numbering(schema), []
    for entry in [*schema.commands, *schema.events]:
        row = {'name': entry.name, 'meta-type': entry.kind}
        if entry.kind == 'command':
            row['ret-type'] = numbering.ref(entry.returns) if entry.returns else '0'
        takes = entry.attributes.get('takes')
        row['arg-type'] = numbering.ref(takes) if takes else numbering.struct_ref(f'q_{entry.name}', entry.members)
        if 'feature' in entry.attributes:
            row['features'] = entry.attributes['feature'].split()
        top.append(row)
    types, numbering.out = numbering.out, []
    while numbering.pending:
        types.append(numbering.emit(numbering.pending.pop(0)))
    builtins = [{'name': b, 'json-type': BUILTINS[b], 'meta-type': 'builtin'} for b in numbering.emitted_builtins]
    return [*top, numbering.empty, *types, *builtins]


def source(schema):
    out = [banner('api/introspect.c', 'the answer of query-qmp-schema.'), '#include "api/introspect.h"\n\n',
           'const char *const api_introspect_rows[] = {\n']
    for entry in describe(schema):
        text = json.dumps(entry).replace('\\', '\\\\').replace('"', '\\"')
        out.append(f'    "{text}",\n')
    out.append('    NULL,\n};\n')
    return ''.join(out)
