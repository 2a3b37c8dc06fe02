/**
 * Builds everything that runs into dist/: bundles by esbuild, the vCPU core by AssemblyScript, ready-made guests by the
 * system's compiler where there is one, the scenario's JSON schema, and the reference of the devices' registers.
 *
 *   node esbuild.mjs [--watch] [--production] [--bundles]
 *
 * `--production` minifies and leaves out source maps; `--bundles` leaves the core, the guests, the schema and the reference as they are.
 */
import { context } from 'esbuild';
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Failure, main, root, run, say } from './scripts/lib/shell.mjs';
import { markBuilt, newestSource } from './scripts/lib/freshness.mjs';

const watch = process.argv.includes('--watch');
const production = process.argv.includes('--production');

const NODE = {
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // Its CommonJS form calls `require` by another name, which no bundler follows.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
};
/** Name of a bundle for messages, its entry, and what differs from the common options. */
const BUNDLES = [
  {
    name: 'extension',
    entry: 'src/extension/extension.ts',
    out: 'dist/extension.js',
    ...NODE,
    external: ['vscode'],
  },
  { name: 'worker', entry: 'src/run/worker.ts', out: 'dist/worker.js', ...NODE },
  {
    name: 'trace worker',
    entry: 'src/extension/trace-service/worker.ts',
    out: 'dist/trace-worker.js',
    ...NODE,
  },
  {
    name: 'listing worker',
    entry: 'src/extension/disassembly/worker.ts',
    out: 'dist/listing-worker.js',
    ...NODE,
  },
  { name: 'debug worker', entry: 'src/debug/worker.ts', out: 'dist/debug-worker.js', ...NODE },
  { name: 'verb worker', entry: 'src/verbs/thread/worker.ts', out: 'dist/verb-worker.js', ...NODE },
  { name: 'GDB worker', entry: 'src/debug/gdb/worker.ts', out: 'dist/gdb-worker.js', ...NODE },
  {
    name: 'cli',
    entry: 'src/cli/main.ts',
    out: 'dist/cli.js',
    ...NODE,
    banner: { js: '#!/usr/bin/env node' },
  },
  {
    name: 'webview',
    entry: 'webview/main.ts',
    out: 'dist/webview/main.js',
    platform: 'browser',
    format: 'iife',
    target: 'chrome128',
  },
  {
    name: 'scenario form',
    entry: 'webview/form/main.ts',
    out: 'dist/webview/form.js',
    platform: 'browser',
    format: 'iife',
    target: 'chrome128',
  },
  {
    name: 'comparison',
    entry: 'webview/compare/main.ts',
    out: 'dist/webview/compare.js',
    platform: 'browser',
    format: 'iife',
    target: 'chrome128',
  },
  {
    name: 'editor tests',
    entry: 'test/vscode/suite/index.ts',
    out: 'dist/test/vscode/index.js',
    ...NODE,
    external: ['vscode', 'mocha'],
    development: true,
  },
  {
    name: 'bench',
    entry: 'test/perf/bench.ts',
    out: 'dist/bench.js',
    ...NODE,
    // Both find files beside themselves.
    external: ['esbuild', 'playwright-core'],
    development: true,
  },
  {
    name: 'conformance',
    entry: 'test/conformance/main.ts',
    out: 'dist/conformance.js',
    ...NODE,
    development: true,
  },
  {
    name: 'fuzz',
    entry: 'test/conformance/cpu-fuzz/main.ts',
    out: 'dist/fuzz.js',
    ...NODE,
    development: true,
  },
  {
    name: 'device fuzz',
    entry: 'test/conformance/device-fuzz/main.ts',
    out: 'dist/device-fuzz.js',
    ...NODE,
    development: true,
  },
];

/** Builders of what is no bundle. */
const PARTS = [
  'scripts/build-core.mjs',
  'scripts/build-guests.mjs',
  'scripts/build-schema.mjs',
  'scripts/build-reference.mjs',
  'scripts/build-l10n.mjs',
  'scripts/build-tools.mjs',
];

/** Packages that read their module from the folder of the bundle that they are in. */
const MODULES = [
  'node_modules/iced-x86/iced_x86_bg.wasm',
  'node_modules/@foxglove/wasm-zstd/dist/wasm-zstd.wasm',
];

/** Options of esbuild for one bundle. */
function optionsOf({ name, entry, out, development: _, ...rest }) {
  return {
    ...rest,
    entryPoints: [entry],
    outfile: out,
    bundle: true,
    metafile: true,
    minify: production,
    sourcemap: production ? false : 'linked',
    legalComments: production ? 'external' : 'none',
    logLevel: 'warning',
    loader: { '.json': 'json', '.svg': 'text', '.ttf': 'file', '.wasm': 'empty' },
    define: { 'process.env.NODE_ENV': JSON.stringify(production ? 'production' : 'development') },
    absWorkingDir: root,
    plugins: [{ name: 'after', setup: (build) => build.onEnd((result) => finish(name, out, result)) }],
  };
}

/** After each build of a bundle: puts beside it what it reads at run time. */
function finish(name, out, result) {
  if (result.errors.length > 0) return;
  const inputs = Object.keys(result.metafile.inputs);
  for (const module of MODULES) {
    if (inputs.some((input) => input.includes(`${dirname(module)}/`)))
      copyFileSync(join(root, module), join(root, dirname(out), basename(module)));
  }
  if (out === 'dist/cli.js') chmodSync(join(root, out), 0o755);
  if (watch) say(`${name} built`);
}

/** Runs the other builders; returns those that failed. */
async function buildParts() {
  const failed = [];
  for (const part of PARTS) {
    if ((await run(process.execPath, [part])) !== 0) failed.push(part);
  }
  return failed;
}

await main(async () => {
  mkdirSync(join(root, 'dist'), { recursive: true });
  const sources = newestSource();
  const failed = process.argv.includes('--bundles') ? [] : await buildParts();
  const wanted = BUNDLES.filter((bundle) => !(production && bundle.development));
  const contexts = await Promise.all(wanted.map((bundle) => context(optionsOf(bundle))));
  if (watch) {
    await Promise.all(contexts.map((each) => each.watch()));
    say('watching; Ctrl-C stops');
    await new Promise(() => undefined);
  }
  // One bundle that fails keeps none of the others from being built; esbuild prints where and what.
  const results = await Promise.allSettled(contexts.map((each) => each.rebuild()));
  await Promise.all(contexts.map((each) => each.dispose()));
  failed.push(...wanted.filter((_, index) => results[index].status === 'rejected').map(({ name }) => name));
  if (failed.length > 0) throw new Failure(`Not built: ${failed.join(', ')}. The messages are above.`);
  if (!process.argv.includes('--bundles')) markBuilt(sources);
});
