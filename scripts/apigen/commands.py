"""scripts/apigen/commands.py - commands.h and commands.c: handlers' prototypes and the dispatch table."""
from .cnames import banner, snake, string
from .ctypes import args_name, c_type, descriptor, is_scalar


def prototype(schema, command):
    args = f', const struct api_{snake(args_name(command))} *args' if args_name(command) else ''
    if 'open' in command.attributes:
        args = ', struct json_object *args'
    ret = ''
    if command.returns:
        kind = 'struct json_object *' if 'raw' in command.attributes else c_type(schema, command.returns)
        ret = f', {kind}*ret'
    return f'bool qmp_{snake(command.name)}(struct monitor *monitor{args}{ret}, GError **error)'


def header(schema):
    out = [banner('monitor/commands.h', 'handlers of QMP commands.'),
           '#ifndef MONITOR_COMMANDS_H\n#define MONITOR_COMMANDS_H\n\n#include "api/types.h"\n#include "monitor/dispatch.h"\n\n',
           '/* False with *error set, or true with *ret (the caller\'s). Main loop, machine lock held. */\n']
    out += [f'/* {c.help} */\n{prototype(schema, c)};\n' for c in schema.commands]
    out.append('\n#endif\n')
    return ''.join(out)


def wrapper(schema, command):
    args = ', args' if args_name(command) else ''
    if 'open' in command.attributes:
        args = ', (struct json_object *)args'
    ret = ', ret' if command.returns else ''
    return (f'static bool call_{snake(command.name)}(struct monitor *monitor, const void *args, void *ret, GError **error)\n'
            f'{{\n    return qmp_{snake(command.name)}(monitor{args}{ret}, error);\n}}\n\n')


def row(schema, command):
    fields = [f'.name = {string(command.name)}', f'.call = call_{snake(command.name)}']
    if 'open' in command.attributes:
        fields.append('.open = true')
    elif args_name(command):
        fields.append(f'.args = &{descriptor(args_name(command))}')
    if command.returns:
        assert not is_scalar(schema, command.returns)
        raw = 'raw' in command.attributes
        fields.append(f'.returns = &{"api_type_any" if raw else descriptor(command.returns)}')
    if 'early' in command.attributes:
        fields.append('.early = true')
    return f'    {{ {", ".join(fields)} }},\n'


def source(schema):
    out = [banner('monitor/commands.c', 'dispatch table of QMP commands.'), '#include "monitor/commands.h"\n\n']
    out += [wrapper(schema, c) for c in schema.commands]
    out.append('const struct monitor_command monitor_commands[] = {\n')
    out += [row(schema, c) for c in sorted(schema.commands, key=lambda c: c.name)]
    out.append('};\nconst unsigned monitor_command_count = ARRAY_SIZE(monitor_commands);\n')
    return ''.join(out)
