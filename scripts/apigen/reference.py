"""scripts/apigen/reference.py - reference pages: options.md and qmp.md."""


def options(schema):
    out = ['# Command-line options\n\nMade from `api/schema/options.api`. One or two dashes are the same; '
           '`@FILE` stands for the arguments in that file.\n']
    for group in schema.groups:
        members = [o for o in schema.options if o.group == group.name]
        if not members:
            continue
        out.append(f'\n## {group.name}\n\n{" ".join(group.doc)}\n')
        if 'example' in group.attributes:
            out.append(f'\nExample: `{group.attributes["example"]}`\n')
        for o in members:
            names = ', '.join(f'`-{n}`' for n in [o.name, *o.aliases])
            syntax = o.attributes.get('syntax')
            out.append(f'\n### {names}{f" `{syntax}`" if syntax else ""}\n\n{o.help[0].upper()}{o.help[1:]}.')
            if o.doc:
                out.append(' ' + ' '.join(o.doc))
            out.append('\n')
            if o.attributes.get('example'):
                out.append(f'\nExample: `{o.attributes["example"]}`\n')
            if o.members:
                out.append('\n| key | type | meaning |\n|---|---|---|\n')
                out += [f'| `{m.name}` | {m.type} | {m.help} |\n' for m in o.members]
    out.append('\n## Options of QEMU 11.1 that Mynah does not have yet\n\n')
    out.append(', '.join(f'`-{n}`' for n in schema.missing) + '\n')
    return ''.join(out)


def members_table(entry):
    if not entry.members:
        return ''
    rows = ''.join(f'| `{m.name}` | {m.type}{", optional" if m.optional else ""} | {m.help} |\n' for m in entry.members)
    return f'\n| member | type | meaning |\n|---|---|---|\n{rows}'


def qmp(schema):
    out = ['# QMP commands and events\n\nMade from `api/schema/*.api`.\n']
    for group in schema.groups:
        entries = [e for e in [*schema.commands, *schema.events] if e.group == group.name]
        if not entries:
            continue
        out.append(f'\n## {group.name}\n\n{" ".join(group.doc)}\n')
        for e in entries:
            kind = 'event' if e.kind == 'event' else 'command'
            out.append(f'\n### {e.name} ({kind})\n\n{e.help[0].upper()}{e.help[1:]}. {" ".join(e.doc)}\n')
            out.append(members_table(e))
            if 'takes' in e.attributes:
                out.append(f'\nArguments: `{e.attributes["takes"]}`\n')
            if e.returns:
                out.append(f'\nReturns: `{e.returns}`\n')
            if 'feature' in e.attributes:
                out.append(f'\nFeature: {e.attributes["feature"]}\n')
            if 'limited' in e.attributes:
                out.append('\nNot more often than once a second'
                           + (f' for each `{e.attributes["limited"]}`' if e.attributes['limited'] else '')
                           + '; of several the last one is told at the end of the second.\n')
            if 'example' in e.attributes:
                out.append(f'\nExample: `{e.attributes["example"]}`\n')
    out.append('\n## Types\n')
    for e in schema.types.values():
        out.append(f'\n### {e.name} ({e.kind})\n\n{e.help[0].upper() + e.help[1:] if e.help else ""}.\n')
        if e.values:
            out.append('\n' + ''.join(f'* `{v}`{f" - {h}" if h else ""}\n' for v, h in e.values))
        out.append(members_table(e))
        for value, name, _ in e.cases:
            out.append(f'\nWith `{e.tag}` = `{value}`: {f"members of `{name}`" if name else "nothing more"}.\n')
    return ''.join(out)
