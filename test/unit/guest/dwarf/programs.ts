/** C files whose debug information has what drivers have, and builds of them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../build';

const SHARED = `
struct ring { unsigned head, tail; struct node *nodes[4]; };
extern struct ring shared;
extern int shared_count;
int reach(struct node *of, int steps);
`;

/** Of two units, each has something that the other only declares. */
export const SOURCES: Readonly<Record<string, string>> = {
  'first.c': `${SHARED}
typedef unsigned char u8;
typedef unsigned long long u64;
enum state { IDLE, BUSY = 5, BROKEN = -2 };
enum flags { LOW = 1, HIGH = 0x80000000u };
typedef int (*handler)(struct ring *ring, u8 vector, ...);
struct bits { unsigned a : 3; int b : 5; unsigned : 4; u64 c : 40; u8 d : 1; _Bool e : 1; };
union word { u64 whole; struct { unsigned low, high; }; u8 bytes[8]; };
struct packet { union word id; struct { int x; union { int y; float z; }; }; enum state state; u8 data[]; };
struct __attribute__((packed)) tight { u8 kind; unsigned long at; unsigned w : 9; unsigned v : 20; };
struct self { struct self *next; const volatile struct self *const *list[2][3]; handler call; };
static struct bits bits = { 1, -2, 3, 1, 1 };
static struct packet packet;
struct tight tight;
struct self self;
static enum flags flags = HIGH;
static const int table[3][2] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
volatile long double wide;
volatile unsigned sink;
int empty[0];
static inline __attribute__((always_inline)) int twice(int value)
{
  static int calls;
  int doubled = value * 2;
  calls++;
  { int inner = doubled + calls; sink = inner; }
  return doubled;
}
static __attribute__((noinline)) int vary(int length, ...)
{
  int room[length];
  for (int i = 0; i < length; i++) { int square = i * i; room[i] = square; sink += room[i]; }
  return room[length - 1];
}
__attribute__((noinline)) int work(struct ring *ring, enum state state, handler call)
{
  extern int shared_count;
  register long total asm("rbx") = 0;
  if (state == BUSY) { u64 id = packet.id.whole; total += twice((int)id); }
  else { char text[] = "abc"; sink = text[state & 1]; total += twice(7); }
  if (__builtin_expect(call != 0, 0)) total += call(ring, 3, 1);
  return (int)total + bits.b + table[state & 1][1] + shared_count + (int)flags;
}
void _start(void)
{
  sink = work(&shared, BUSY, 0) + vary(4) + reach(shared.nodes[0], 3) + tight.kind + (self.next != 0) + (int)wide;
  for (;;) ;
}
`,
  'second.c': `${SHARED}
struct node { struct node *next; int value; short pair[2]; };
struct ring shared;
int shared_count = 3;
static int table = 9;
int reach(struct node *of, int steps)
{
  int seen = table;
  while (of && steps-- > 0) { int value = of->value; seen += value; of = of->next; }
  return seen;
}
`,
};

/**
 * Compiles the sources to one executable.
 * @param how flags of the compiler, on top of what makes a freestanding program
 * @returns its path
 */
export function buildProgram(
  folder: string,
  compiler: string,
  how: readonly string[],
  link: readonly string[] = ['-static', '-no-pie'],
): string {
  const sources = Object.entries(SOURCES).map(([name, text]) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  });
  const out = join(folder, `${[compiler, ...how, ...link].join('').replace(/[^a-z0-9]/gi, '')}.elf`);
  const flags = ['-g', '-ffreestanding', '-nostdlib', '-fno-stack-protector', '-fcf-protection=none'];
  run(compiler, [...flags, ...how, ...link, '-o', out, ...sources]);
  return out;
}
