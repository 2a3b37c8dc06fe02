/**
 * Compiles the sample drivers to `dist/guests`, for users without a compiler: each driver as it stands, and with the macros and
 * optimisation of each sample scenario that uses it. Uses the extension's own compiler driver, so that a ready-made guest is
 * what compiling would have given. Without a compiler nothing is built, and that is said; samples then need one.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { parse } from 'jsonc-parser';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const workspace = join(root, 'media/workspace');
const kitDir = join(root, 'media/guest-kit');
const target = join(root, 'dist/guests');
const cacheDir = join(root, '.cache/guests');

/** The compiler driver is TypeScript: bundled for this process. */
async function loadDriver(folder) {
  const entry = `export * from './compiler'; export * from './prebuilt';`;
  const outfile = join(folder, 'driver.mjs');
  await build({
    stdin: { contents: entry, resolveDir: join(root, 'src/guest/compile'), loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'warning',
  });
  return import(pathToFileURL(outfile).href);
}

/** Each driver by itself that is not a part of another, then what the scenarios ask for; each combination once. */
async function wanted(driver) {
  const drivers = (await readdir(join(workspace, 'drivers'))).filter((name) => name.endsWith('.c')).sort();
  const guests = [];
  const parts = new Set();
  const scenarios = join(workspace, 'scenarios');
  for (const name of (await readdir(scenarios)).filter((each) => each.endsWith('.trapline.json')).sort()) {
    const scenario = parse(await readFile(join(scenarios, name), 'utf8')) ?? {};
    for (const vm of scenario.vms ?? []) {
      const kernel = vm.guest?.kernel;
      if (driver.isCompiled(kernel ?? '')) {
        guests.push({ sources: [resolve(scenarios, kernel)], defines: {}, optimise: '2', withKit: false });
      }
      if (!vm.guest?.sources) continue;
      const sources = vm.guest.sources.map((each) => resolve(scenarios, each));
      if (sources.length > 1) for (const each of sources) parts.add(each);
      guests.push({ sources, defines: vm.guest.defines ?? {}, optimise: vm.guest.optimize ?? '2' });
    }
  }
  const whole = drivers.map((name) => join(workspace, 'drivers', name)).filter((each) => !parts.has(each));
  guests.unshift(...whole.map((each) => ({ sources: [each], defines: {}, optimise: '2' })));
  return [...new Map(guests.map((guest) => [keyOf(guest), guest])).values()];
}

function keyOf({ sources, defines, optimise }) {
  return JSON.stringify([sources, Object.entries(defines).sort(), optimise]);
}

async function sha256(path) {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

const temporary = await mkdtemp(join(tmpdir(), 'trapline-guests-'));
try {
  const driver = await loadDriver(temporary);
  const prefixMap = [
    { from: workspace, to: driver.PREBUILT_WORKSPACE },
    { from: kitDir, to: driver.PREBUILT_KIT },
  ];
  const built = [];
  for (const guest of await wanted(driver)) {
    const result = await driver.compileGuest({ ...guest, kitDir, cacheDir, compiler: '', prefixMap });
    if (!result.ok && result.reason === 'no-compiler') {
      console.log(`build-guests: no ready-made guests. ${result.message}`);
      break;
    }
    if (!result.ok) throw new Error(result.message);
    const sources = await Promise.all(
      guest.sources.map(async (each) => ({
        path: relative(workspace, each).replaceAll('\\', '/'),
        sha256: await sha256(each),
      })),
    );
    built.push({
      from: result.elfPath,
      entry: { elf: basename(result.elfPath), sources, defines: guest.defines, optimise: guest.optimise },
    });
  }
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  for (const { from, entry } of built) await copyFile(from, join(target, entry.elf));
  const index = { version: 1, guests: built.map(({ entry }) => entry) };
  await writeFile(join(target, driver.PREBUILT_INDEX), `${JSON.stringify(index, undefined, 2)}\n`);
  console.log(`build-guests: ${built.length} guests in dist/guests`);
} catch (error) {
  console.error(`build-guests: ${error.message}`);
  process.exitCode = 1;
} finally {
  await rm(temporary, { recursive: true, force: true });
}
