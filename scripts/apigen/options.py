"""scripts/apigen/options.py - the option table: option-table.h (ids) and option-table.c (rows)."""
from .cnames import banner, option_constant, string

KEY_TYPES = {'str': 'API_KEY_STR', 'bool': 'API_KEY_BOOL', 'int': 'API_KEY_INT',
             'size': 'API_KEY_SIZE', 'mib': 'API_KEY_MIB'}
FORMS = {'flag': 'API_FORM_FLAG', 'string': 'API_FORM_STRING', 'keyval': 'API_FORM_KEYVAL',
         'global': 'API_FORM_GLOBAL'}


def header(schema):
    out = [banner('api/option-table.h', 'ids of command-line options.'),
           '#ifndef API_OPTION_TABLE_H\n#define API_OPTION_TABLE_H\n\n', 'enum api_option_id {\n']
    out += [f'    {option_constant(o.name)},\n' for o in schema.options]
    out += ['    API_OPTION_COUNT\n};\n\n#endif\n']
    return ''.join(out)


def keys(option):
    if not option.members:
        return ''
    rows = ''.join(f'    {{ {string(m.name)}, {key_type(m)}, {string(m.help)} }},\n' for m in option.members)
    return f'static const struct api_key keys_{option.name.replace("-", "_")}_[] = {{\n{rows}    {{ 0 }},\n}};\n\n'


def key_type(member):
    """{a|b} is an enumeration: its values stand in an array literal of static life."""
    if not member.type.startswith('{'):
        return f'{KEY_TYPES[member.type]}, NULL'
    names = ', '.join(string(v) for v in member.type[1:-1].split('|'))
    return f'API_KEY_ENUM, (const char *const[]){{ {names}, NULL }}'


def values(option):
    if 'values' not in option.attributes:
        return ''
    names = ', '.join(string(v) for v in option.attributes['values'].split())
    return f'static const char *const values_{option.name.replace("-", "_")}[] = {{ {names}, NULL }};\n\n'


def row(schema, option):
    a = option.attributes
    names = [option.name, *option.aliases]
    fields = [f'.id = {option_constant(option.name)}', f'.name = {string(option.name)}',
              f'.form = {FORMS[option.form]}',
              f'.group = {[g.name for g in schema.groups].index(option.group)}',
              f'.syntax = {string(a.get("syntax", ""))}', f'.help = {string(option.help)}',
              f'.example = {string(a.get("example", ""))}', f'.config = {string(a.get("config", option.name))}']
    if len(names) > 1:
        fields.append(f'.alias = {string(names[1])}')
    if option.implied:
        fields.append(f'.keys.implied = {string(option.implied)}')
    if option.members:
        fields.append(f'.keys.keys = keys_{option.name.replace("-", "_")}_')
    for flag, name in (('open', 'keys.open'), ('json', 'keys.json'), ('plusminus', 'keys.plus_minus'),
                       ('hidden', 'hidden')):
        if flag in a:
            fields.append(f'.{name} = true')
    if 'values' in a:
        fields.append(f'.values = values_{option.name.replace("-", "_")}')
    if option.doc:
        fields.append(f'.doc = {string(" ".join(option.doc))}')
    return '    {\n' + ''.join(f'        {f},\n' for f in fields) + '    },\n'


def source(schema):
    out = [banner('api/option-table.c', 'rows of command-line options.'), '#include "api/options.h"\n\n']
    out += [values(o) + keys(o) for o in schema.options]
    out += ['const struct api_option api_options[] = {\n', *(row(schema, o) for o in schema.options), '};\n\n']
    used = {o.group for o in schema.options}
    out += ['const struct api_option_group api_option_groups[] = {\n']
    for g in schema.groups:
        name = string(g.name) if g.name in used else 'NULL'
        out.append(f'    {{ {name}, {string(g.attributes.get("example", ""))} }},\n')
    out += ['};\nconst unsigned api_option_group_count = ARRAY_SIZE(api_option_groups);\n\n']
    out += ['const char *const api_options_missing[] = {\n',
            *(f'    {string(name)},\n' for name in schema.missing), '    NULL,\n};\n']
    return ''.join(out)
