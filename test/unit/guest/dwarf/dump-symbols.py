"""What gdb reads from the debug information of files, as JSON: run by gdb, with the names of a list of files and of the output in the environment.

For sampled instructions: the variables in scope from the inside out, each with its type, and the functions inlined around it. For functions:
where a breakpoint by name goes. The texts of types are those of type-text.ts."""
import gdb
import json
import os
import re

OTHERS = (gdb.SYMBOL_LOC_UNRESOLVED, gdb.SYMBOL_LOC_TYPEDEF, gdb.SYMBOL_LOC_LABEL, gdb.SYMBOL_LOC_BLOCK)


def short(t):
    t = t.unqualified()
    c = t.code
    if c == gdb.TYPE_CODE_TYPEDEF:
        return 'typedef ' + t.name
    if c in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ENUM):
        word = {gdb.TYPE_CODE_STRUCT: 'struct', gdb.TYPE_CODE_UNION: 'union', gdb.TYPE_CODE_ENUM: 'enum'}[c]
        return word + ' ' + (t.tag or '?')
    if c == gdb.TYPE_CODE_PTR:
        return '*' + short(t.target())
    if c == gdb.TYPE_CODE_ARRAY:
        return full(t)
    if c == gdb.TYPE_CODE_FUNC:
        return 'function %s (%s)' % (short(t.target()), ', '.join(short(f.type) for f in t.fields()))
    if c == gdb.TYPE_CODE_VOID:
        return 'void'
    return '%s %d' % (t.name, t.sizeof)


def count(t):
    if t.dynamic:
        return ''
    low, high = t.range()
    return '' if high < low else str(high - low + 1)


def full(t):
    t = t.unqualified()
    c = t.code
    if c == gdb.TYPE_CODE_TYPEDEF:
        return short(t) + ' = ' + full(t.target())
    if c == gdb.TYPE_CODE_ARRAY:
        return '[%s] of %s' % (count(t), full(t.target()))
    if c == gdb.TYPE_CODE_ENUM:
        return '%s %d {%s}' % (short(t), t.sizeof, ', '.join('%s=%d' % (f.name, f.enumval) for f in t.fields()))
    if c in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        members = ['%s@%d:%d %s' % (f.name or '', f.bitpos, f.bitsize, full(f.type)) for f in t.fields()]
        return '%s %d {%s}' % (short(t), t.sizeof, '; '.join(members))
    return short(t)


def variables(block):
    found = []
    for s in block:
        if s.addr_class in OTHERS or (s.is_constant and s.type.code == gdb.TYPE_CODE_ENUM and s.name in [f.name for f in s.type.fields()]):
            continue
        found.append([s.name, bool(s.is_argument), full(s.type), s.addr_class == gdb.SYMBOL_LOC_OPTIMIZED_OUT])
    return found


def at(pc):
    block = gdb.block_for_pc(pc)
    seen, functions = {}, []
    while block is not None and not block.is_global and not block.is_static:
        for name, is_argument, text, gone in variables(block):
            if name not in seen:
                seen[name] = [is_argument, [], gone, block]
            if seen[name][3] is block:
                seen[name][1].append(text)
        if block.function is not None:
            functions.append(block.function.name)
            if not block.superblock or block.superblock.is_static or block.superblock.is_global:
                break
        block = block.superblock
    if not functions:
        return None
    statics = dict((n, t) for n, _, t, _ in variables(block.static_block))
    for n, _, t, _ in variables(block.global_block):
        statics.setdefault(n, t)
    seen = dict((name, row[:3]) for name, row in seen.items())
    return {'variables': seen, 'functions': functions, 'globals': statics}


out = {}
with open(os.environ['DUMP_IN']) as f:
    work = json.load(f)
for name, pcs, functions in work:
    # Without the first, gdb at times answers for an address from the file before.
    gdb.execute('file', to_string=True)
    gdb.execute('file ' + name, to_string=True)
    breaks = {}
    for f in functions:
        try:
            text = gdb.execute('break ' + f, to_string=True)
        except gdb.error:
            continue
        m = None if 'locations' in text else re.search(r' at (0x[0-9a-f]+)', text)
        if m:
            breaks[f] = m.group(1)
        gdb.execute('delete', to_string=True)
    out[name] = {'at': {hex(pc): at(pc) for pc in pcs}, 'breaks': breaks}
with open(os.environ['DUMP_OUT'], 'w') as f:
    json.dump(out, f)
