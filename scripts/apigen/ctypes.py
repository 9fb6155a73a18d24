"""scripts/apigen/ctypes.py - types.h and types.c: C types, their descriptors for api/marshal.h, event functions."""
from .cnames import banner, constant, member, snake, string
from .parse import Entry

SCALARS = {'bool': ('bool ', 'BOOL'), 'int': ('s64 ', 'INT'), 'u64': ('u64 ', 'UINT'), 'size': ('u64 ', 'UINT'),
           'number': ('double ', 'NUMBER')}
POINTERS = {'str': ('char *', 'STR'), 'any': ('struct json_object *', 'ANY'), 'null': ('struct json_object *', 'ANY')}


def args_entry(command):
    """The struct that holds a command's arguments."""
    return Entry('struct', 'args-' + command.name, f'arguments of {command.name}', command.where, members=command.members)


def args_name(command):
    """The type of a command's arguments: its own struct, one that it names (`! takes TYPE`), or None."""
    return command.attributes.get('takes') or ('args-' + command.name if command.members else None)


def event_entry(event):
    return Entry('struct', 'event-' + event.name, f'data of {event.name}', event.where, members=event.members)


def all_types(schema):
    out = list(schema.types.values())
    out += [args_entry(c) for c in schema.commands if c.members]
    out += [event_entry(e) for e in schema.events if e.members]
    return out


def c_type(schema, name):
    """The C declaration of a slot, ready for a name to follow."""
    if name.startswith('['):
        return 'GPtrArray *'
    for table in (SCALARS, POINTERS):
        if name in table:
            return table[name][0]
    entry = schema.types[name]
    if entry.kind == 'alternate':
        return 'struct json_object *'
    return f'enum api_{snake(name)} ' if entry.kind == 'enum' else f'struct api_{snake(name)} *'


def is_scalar(schema, name):
    # An alternate may be null, which is not the same as absent.
    return name in SCALARS or name in schema.types and schema.types[name].kind in ('enum', 'alternate')


def descriptor(name):
    if name.startswith('['):
        return 'api_type_list_' + snake(name[1:-1])
    return 'api_type_' + snake(name)


def lists(schema):
    found = []
    for entry in [*all_types(schema), *schema.commands]:
        for name in [m.type for m in entry.members] + ([entry.returns] if entry.returns else []):
            if name.startswith('[') and name not in found:
                found.append(name)
    return found


def declare_enum(entry):
    rows = ''.join(f'    {constant("api", entry.name, v)},{" /* " + h + " */" if h else ""}\n' for v, h in entry.values)
    return (f'/* {entry.help} */\nenum api_{snake(entry.name)} {{\n{rows}'
            f'    {constant("api", entry.name, "count")}\n}};\n\n')


def declare_struct(schema, entry):
    out = [f'/* {entry.help} */\nstruct api_{snake(entry.name)} {{\n']
    for m in entry.members:
        if has_flag(schema, m):
            out.append(f'    bool has_{member(m.name)};\n')
        note = f' /* {m.type} */' if m.type.startswith('[') else ''
        out.append(f'    {c_type(schema, m.type)}{member(m.name)};{note}\n')
    cases = [(v, t) for v, t, _ in entry.cases if t]
    if cases:
        out.append('    union {\n')
        out += [f'        struct api_{snake(t)} *{member(v)};\n' for v, t in cases]
        out.append(f'    }} u; /* chosen by {member(entry.tag)} */\n')
    elif not entry.members:
        out.append('    char nothing;\n')
    out.append('};\n\n')
    return ''.join(out)


def has_flag(schema, m):
    return m.optional and is_scalar(schema, m.type)


def event_prototype(schema, event):
    args = ''.join((f', bool has_{member(m.name)}' if has_flag(schema, m) else '') +
                   f', {"const " if m.type == "str" else ""}{c_type(schema, m.type)}{member(m.name)}' for m in event.members)
    return f'void api_event_{snake(event.name)}(const struct api_event_sink *sink{args})'


def header(schema):
    types = all_types(schema)
    out = [banner('api/types.h', 'types of QMP.'), '#ifndef API_TYPES_H\n#define API_TYPES_H\n\n',
           '#include "api/marshal.h"\n\n']
    out += [declare_enum(e) for e in types if e.kind == 'enum']
    structs = [e for e in types if e.kind not in ('enum', 'alternate')]
    out += [f'struct api_{snake(e.name)};\n' for e in structs] + ['\n']
    out += [declare_struct(schema, e) for e in structs]
    out += [f'extern const struct api_type {descriptor(e.name)};\n' for e in types]
    out += [f'extern const struct api_type {descriptor(name)};\n' for name in lists(schema)]
    out.append('\n/* Events. */\nextern const char *const api_event_names[]; /* ends with NULL */\n'
               '/* One a second at most, of those with the same value of that member; NULL: of all. Ends with a name of NULL. */\n'
               'struct api_event_limit {\n    const char *name, *member;\n};\nextern const struct api_event_limit api_event_limits[];\n')
    out += [f'/* {e.help} */\n{event_prototype(schema, e)};\n' for e in schema.events]
    out.append('\n#endif\n')
    return ''.join(out)


def define_enum(entry):
    values = ', '.join(string(v) for v, _ in entry.values)
    return (f'static const char *const values_{snake(entry.name)}[] = {{ {values}, NULL }};\n'
            f'const struct api_type {descriptor(entry.name)} = {{\n    .name = {string(entry.name)}, .kind = API_ENUM, '
            f'.values = values_{snake(entry.name)}, .count = {len(entry.values)},\n}};\n\n')


def member_row(schema, struct, m):
    has = f'offsetof(struct {struct}, has_{member(m.name)})' if m.optional and is_scalar(schema, m.type) else '-1'
    return (f'    {{ {string(m.name)}, &{descriptor(m.type)}, offsetof(struct {struct}, {member(m.name)}), '
            f'{has}, {"true" if m.optional else "false"} }},\n')


def variants(schema, entry, struct):
    cases = {v: t for v, t, _ in entry.cases}
    if not entry.cases:
        return '', ''
    tag = next(m for m in entry.members if m.name == entry.tag)
    rows = ''.join(f'    {"&" + descriptor(cases[v]) if cases.get(v) else "NULL"}, /* {v} */\n'
                   for v, _ in schema.types[tag.type].values)
    index = entry.members.index(tag)
    offset = f'offsetof(struct {struct}, u)' if any(cases.values()) else '0'
    return (f'static const struct api_type *const variants_{snake(entry.name)}[] = {{\n{rows}}};\n',
            f'    .variants = variants_{snake(entry.name)}, .tag = {index}, .variant_offset = {offset},\n')


def define_struct(schema, entry):
    struct = f'api_{snake(entry.name)}'
    rows = ''.join(member_row(schema, struct, m) for m in entry.members)
    before, fields = variants(schema, entry, struct)
    out = [before]
    if rows:
        out.append(f'static const struct api_member members_{snake(entry.name)}[] = {{\n{rows}}};\n')
        fields = f'    .members = members_{snake(entry.name)}, .count = {len(entry.members)},\n' + fields
    out.append(f'const struct api_type {descriptor(entry.name)} = {{\n    .name = {string(entry.name)}, .kind = API_STRUCT, '
               f'.size = sizeof(struct {struct}),\n{fields}}};\n\n')
    return ''.join(out)


def define_alternate(entry):
    rows = ''.join(f'    {{ {string(m.name)}, &{descriptor(m.type)}, 0, -1, false }},\n' for m in entry.members)
    return (f'static const struct api_member members_{snake(entry.name)}[] = {{\n{rows}}};\n'
            f'const struct api_type {descriptor(entry.name)} = {{\n    .name = {string(entry.name)}, .kind = API_ALTERNATE, '
            f'.members = members_{snake(entry.name)}, .count = {len(entry.members)},\n}};\n\n')


def define_event(schema, event):
    out = [f'{event_prototype(schema, event)}\n{{\n']
    if not event.members:
        out.append(f'    sink->emit(sink->opaque, {string(event.name)}, NULL);\n}}\n\n')
        return ''.join(out)
    name = snake('event-' + event.name)
    fields = ', '.join((f'.has_{member(m.name)} = has_{member(m.name)}, ' if has_flag(schema, m) else '') +
                       f'.{member(m.name)} = {"(char *)" if m.type == "str" else ""}{member(m.name)}' for m in event.members)
    out.append(f'    struct api_{name} data = {{ {fields} }}, *slot = &data;\n\n'
               f'    sink->emit(sink->opaque, {string(event.name)}, api_to_json(&api_type_{name}, &slot));\n}}\n\n')
    return ''.join(out)


def source(schema):
    types = all_types(schema)
    out = [banner('api/types.c', 'descriptors of the types of QMP.'), '#include "api/types.h"\n\n']
    out += [define_enum(e) for e in types if e.kind == 'enum']
    for name in lists(schema):
        out.append(f'const struct api_type {descriptor(name)} = {{\n    .name = {string(name)}, .kind = API_LIST, '
                   f'.element = &{descriptor(name[1:-1])},\n}};\n')
    out.append('\n')
    out += [define_alternate(e) if e.kind == 'alternate' else define_struct(schema, e) for e in types if e.kind != 'enum']
    names = ''.join(f'    {string(e.name)},\n' for e in schema.events)
    out.append(f'const char *const api_event_names[] = {{\n{names}    NULL,\n}};\n\n')
    limits = ''.join(f'    {{ {string(e.name)}, {string(e.attributes["limited"]) if e.attributes["limited"] else "NULL"} }},\n'
                     for e in schema.events if 'limited' in e.attributes)
    out.append(f'const struct api_event_limit api_event_limits[] = {{\n{limits}    {{ NULL, NULL }},\n}};\n\n')
    out += [define_event(schema, e) for e in schema.events]
    return ''.join(out)
