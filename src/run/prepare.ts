/** From a scenario file to a job: reads and checks it, compiles its guests or takes ready ones, reports everything wrong. */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { planBoot } from '../guest/boot/boot';
import { compileGuest, isCompiled } from '../guest/compile/compiler';
import type { CompileOptions } from '../guest/compile/compiler';
import type { Diagnostic } from '../guest/compile/diagnostics';
import { GuestImageError } from '../guest/errors';
import { linkObjects } from '../guest/link/link';
import { brokenHeaderRule, findMultibootHeader } from '../guest/boot/multiboot-header';
import { memoryMap } from '../machine/firmware/memory-map';
import type { Problem } from '../protocol/problem';
import type { RunJob } from '../protocol/run';
import { captureReferences } from '../scenario/captures';
import { isDisk } from '../scenario/device-schema';
import type { Path } from '../scenario/document';
import { loadScenario } from '../scenario/load';
import { problemAt } from '../scenario/problem-at';
import type { Scenario, ScenarioVm, ScenarioVmDevice } from '../scenario/schema';
import type { Prepared, PrepareOptions } from './api';
import { readCaptures } from './captures';
import { imageOf } from './guest-image';
import { reasonOf } from './reason';

const MIB = 1024 * 1024;

type Guest = RunJob['guests'][number];
type BootModule = NonNullable<Guest['boot']>['modules'][number];
type KernelGuest = Extract<ScenarioVm['guest'], { kernel: unknown }>;
type SourcesGuest = Extract<ScenarioVm['guest'], { sources: unknown }>;

/** Thrown inside preparation, with everything that is to be told. */
class Refusal extends Error {
  constructor(readonly problems: Problem[]) {
    super(problems.map((problem) => problem.message).join('\n'));
  }
}

/** See `PrepareRun`: everything that is wrong is in the answer, nothing is thrown but on Trapline's own mistakes. */
export async function prepareRun(options: PrepareOptions): Promise<Prepared> {
  try {
    const text = options.text ?? (await readScenario(options.file));
    const loaded = loadScenario(text, options.file);
    if (!loaded.ok) return { ok: false, problems: loaded.problems };
    const preparation = new Preparation(options, text, loaded.scenario, [...loaded.problems]);
    const job = await preparation.job();
    return { ok: true, job, problems: preparation.problems };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, problems: error.problems };
    throw error;
  }
}

/** A compiler's message as a problem; none where it names no file. */
function problemOf(diagnostic: Diagnostic): Problem[] {
  const { file, line, column, severity, message } = diagnostic;
  if (!file) return [];
  const severities = { error: 'error', warning: 'warning', note: 'information' } as const;
  return [
    {
      file,
      line: line || 1,
      column: column || 1,
      severity: severities[severity],
      message,
      source: 'compiler',
    },
  ];
}

/**
 * What is missing of the files that a scenario names: those that its guests and their disks are made from and the captures that peers
 * send, each at its line of the scenario's text.
 */
export async function missingFiles(text: string, file: string, scenario: Scenario): Promise<Problem[]> {
  const references = [
    ...scenario.vms.flatMap(({ guest, devices }, vm) =>
      [...filesOf(guest), ...imagesOf(devices)].map((each) => ({ ...each, at: ['vms', vm, ...each.at] })),
    ),
    ...captureReferences(text, scenario).map(({ file: path, at }) => ({ path, what: 'capture', at })),
  ];
  return missingOf(text, file, references);
}

/** A file that the scenario names, what it is to it, and the field that names it. */
interface FileReference {
  path: string;
  what: string;
  at: Path;
}

/** Fields are those of the VM. */
function filesOf(guest: ScenarioVm['guest']): FileReference[] {
  if ('elf' in guest) return [{ path: guest.elf, what: 'guest', at: ['guest', 'elf'] }];
  if ('firmware' in guest) return [{ path: guest.firmware, what: 'firmware', at: ['guest', 'firmware'] }];
  if ('kernel' in guest) {
    const modules = guest.modules.flatMap((module, index) =>
      'file' in module
        ? [{ path: module.file, what: 'module', at: ['guest', 'modules', index, 'file'] }]
        : [],
    );
    return [{ path: guest.kernel, what: 'kernel', at: ['guest', 'kernel'] }, ...modules];
  }
  if ('objects' in guest)
    return guest.objects.map((path, index) => ({ path, what: 'object', at: ['guest', 'objects', index] }));
  return guest.sources.map((path, index) => ({ path, what: 'source', at: ['guest', 'sources', index] }));
}

function imagesOf(devices: readonly ScenarioVmDevice[]): FileReference[] {
  return devices.flatMap((device, slot) =>
    isDisk(device) && device.image !== undefined
      ? [{ path: device.image, what: 'image', at: ['devices', slot, 'image'] }]
      : [],
  );
}

async function missingOf(
  text: string,
  file: string,
  references: readonly FileReference[],
): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { path, what, at } of references) {
    const absolute = resolve(dirname(file), path);
    const entry = await stat(absolute).catch(() => undefined);
    if (entry?.isFile()) continue;
    const message = entry
      ? `The ${what} ${absolute} is not a file. Name the file itself.`
      : `The ${what} ${absolute} does not exist. Paths are relative to the scenario: check the spelling.`;
    problems.push(problemAt(text, file, at, message));
  }
  return problems;
}

async function readScenario(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const message = `The scenario cannot be read: ${reasonOf(error)}. Check the path.`;
    throw new Refusal([{ file, line: 1, column: 1, severity: 'error', message, source: 'scenario' }]);
  }
}

class Preparation {
  constructor(
    private readonly options: PrepareOptions,
    private readonly text: string,
    private readonly scenario: Scenario,
    readonly problems: Problem[],
  ) {}

  async job(): Promise<RunJob> {
    const missing = await missingFiles(this.text, this.options.file, this.scenario);
    if (missing.length > 0) throw new Refusal([...this.problems, ...missing]);
    const guests: Guest[] = [];
    for (const [index, vm] of this.scenario.vms.entries()) {
      const guest = await this.guestOf(index, vm.guest);
      this.check(index, vm, guest);
      const images = await this.readImages(index, vm.devices);
      guests.push({ ...guest, ...(images.length > 0 && { images }) });
    }
    const { captures, problems } = await readCaptures(this.text, this.options.file, this.scenario);
    this.problems.push(...problems);
    if (problems.some(({ severity }) => severity === 'error')) throw new Refusal(this.problems);
    const coreFile = join(this.options.distDir, 'cpu-core.wasm');
    const core = await readFile(coreFile).catch((error: unknown) => {
      throw new Error(
        `Trapline's own file ${coreFile} cannot be read (${reasonOf(error)}): run "npm run build", or reinstall the extension.`,
      );
    });
    return {
      scenarioFile: this.options.file,
      scenarioText: this.text,
      guests,
      core: new Uint8Array(core),
      ...(Object.keys(captures).length > 0 && { captures }),
    };
  }

  private refuse(path: readonly (string | number)[], message: string): never {
    throw new Refusal([...this.problems, problemAt(this.text, this.options.file, path, message)]);
  }

  private fromScenario(path: string): string {
    return resolve(dirname(this.options.file), path);
  }

  private guestOf(index: number, guest: ScenarioVm['guest']): Promise<Guest> {
    if ('sources' in guest) return this.compileSources(index, guest);
    if ('kernel' in guest) return this.readKernel(index, guest);
    if ('objects' in guest) return this.link(index, guest.objects);
    if ('firmware' in guest) return this.readFirmware(index, guest.firmware);
    return this.readElf(index, guest.elf);
  }

  private async readElf(index: number, path: string): Promise<Guest> {
    const elfFile = this.fromScenario(path);
    return {
      elf: await this.read(['vms', index, 'guest', 'elf'], 'guest', elfFile),
      elfFile,
      boot: { cmdline: basename(elfFile), modules: [] },
    };
  }

  private async readFirmware(index: number, path: string): Promise<Guest> {
    const elfFile = this.fromScenario(path);
    const elf = await this.read(['vms', index, 'guest', 'firmware'], 'firmware', elfFile);
    return { elf, elfFile, isRom: true };
  }

  private async readImages(
    vm: number,
    devices: readonly ScenarioVmDevice[],
  ): Promise<{ device: number; bytes: Uint8Array }[]> {
    const images: { device: number; bytes: Uint8Array }[] = [];
    for (const [device, spec] of devices.entries()) {
      if (!isDisk(spec) || spec.image === undefined) continue;
      const at = ['vms', vm, 'devices', device];
      const file = this.fromScenario(spec.image);
      const bytes = await this.read([...at, 'image'], 'image', file);
      if (bytes.length > spec.sizeMiB * MIB) {
        const needed = Math.ceil(bytes.length / MIB);
        this.refuse(
          [...at, 'image'],
          `The image ${file} has ${bytes.length} bytes, the disk ${spec.sizeMiB * MIB}: make "sizeMiB" ${needed} or more.`,
        );
      }
      images.push({ device, bytes });
    }
    return images;
  }

  private async link(index: number, paths: readonly string[]): Promise<Guest> {
    const at = ['vms', index, 'guest', 'objects'];
    const files = paths.map((path) => this.fromScenario(path));
    const objects: { name: string; bytes: Uint8Array }[] = [];
    for (const [position, file] of files.entries()) {
      objects.push({ name: basename(file), bytes: await this.read([...at, position], 'object', file) });
    }
    try {
      return { elf: linkObjects(objects), elfFile: files[0] };
    } catch (error) {
      if (!(error instanceof GuestImageError)) throw error;
      return this.refuse(at, error.message);
    }
  }

  /** As QEMU has it, the command line of a kernel or module begins with the name of its file. */
  private async readKernel(index: number, guest: KernelGuest): Promise<Guest> {
    const at = ['vms', index, 'guest'];
    const named = this.fromScenario(guest.kernel);
    const { elf, elfFile, remap } = await this.kernelFile([...at, 'kernel'], named);
    if (!this.hasMultibootHeader([...at, 'kernel'], elf, elfFile)) {
      this.refuse(
        [...at, 'kernel'],
        `${elfFile} has no Multiboot 1 header in its first 8192 bytes: ${brokenHeaderRule(elf)}. Give the kernel one, at a multiple of 4 bytes and with a checksum that makes its three words add up to 0, or name a 64-bit ELF file as "elf".`,
      );
    }
    const modules: BootModule[] = [];
    for (const [position, module] of guest.modules.entries()) {
      if ('text' in module) {
        modules.push({ bytes: new TextEncoder().encode(module.text), cmdline: module.cmdline });
        continue;
      }
      const file = this.fromScenario(module.file);
      const bytes = await this.read([...at, 'modules', position, 'file'], 'module', file);
      modules.push({ bytes, cmdline: `${basename(file)} ${module.cmdline}`.trimEnd() });
    }
    // By the name in the scenario: that of a compiled file has a hash in it, which depends on the compiler.
    const name = basename(named, isCompiled(named) ? extname(named) : '');
    const cmdline = `${name} ${guest.cmdline}`.trimEnd();
    return { elf, elfFile, ...(remap && { remap }), boot: { cmdline, modules } };
  }

  /** The kernel itself: compiled when a source is named. */
  private async kernelFile(at: readonly (string | number)[], file: string): Promise<Guest> {
    if (!isCompiled(file)) return { elf: await this.read(at, 'kernel', file), elfFile: file };
    return this.compile(at, { sources: [file], defines: {}, optimise: '2', withKit: false });
  }

  private hasMultibootHeader(at: readonly (string | number)[], bytes: Uint8Array, file: string): boolean {
    try {
      return findMultibootHeader(bytes, file) !== undefined;
    } catch (error) {
      if (!(error instanceof GuestImageError)) throw error;
      return this.refuse(at, error.message);
    }
  }

  private async read(
    at: readonly (string | number)[],
    what: string,
    file: string,
  ): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return new Uint8Array(await readFile(file));
    } catch (error) {
      return this.refuse(at, `The ${what} ${file} cannot be read: ${reasonOf(error)}.`);
    }
  }

  private compileSources(index: number, guest: SourcesGuest): Promise<Guest> {
    const sources = guest.sources.map((source) => this.fromScenario(source));
    const { defines, optimize: optimise } = guest;
    return this.compile(['vms', index, 'guest', 'sources'], { sources, defines, optimise });
  }

  private async compile(
    at: readonly (string | number)[],
    what: Pick<CompileOptions, 'sources' | 'defines' | 'optimise' | 'withKit'>,
  ): Promise<Guest> {
    const { kitDir, distDir, cacheDir, compiler, signal, log } = this.options;
    const prebuiltDir = join(distDir, 'guests');
    const result = await compileGuest({
      ...what,
      kitDir,
      cacheDir,
      compiler,
      signal,
      log,
      prebuiltDir,
    });
    if (result.ok) {
      this.problems.push(...result.warnings.flatMap((each) => problemOf(each)));
      const elf = new Uint8Array(await readFile(result.elfPath));
      return { elf, elfFile: result.elfPath, remap: result.remap };
    }
    const located = result.diagnostics.flatMap((each) => problemOf(each));
    if (located.some(({ severity }) => severity === 'error'))
      throw new Refusal([...this.problems, ...located]);
    return this.refuse(at, result.message);
  }

  private warn(at: readonly (string | number)[], message: string): void {
    this.problems.push({ ...problemAt(this.text, this.options.file, at, message), severity: 'warning' });
  }

  /** What can be found out about a guest before it runs: that it can be started, and fits. */
  private check(index: number, vm: ScenarioVm, guest: Guest): void {
    try {
      const image = imageOf({ ...guest, remap: [] });
      const plan = planBoot(image.file, memoryMap(vm.memoryMiB * MIB), guest.boot);
      if (plan.warning !== undefined) this.warn(['vms', index, 'guest'], plan.warning);
      if (image.debugProblem !== undefined) this.warn(['vms', index, 'guest'], image.debugProblem);
    } catch (error) {
      if (!(error instanceof GuestImageError)) throw error;
      this.refuse(['vms', index, 'guest'], error.message);
    }
  }
}
