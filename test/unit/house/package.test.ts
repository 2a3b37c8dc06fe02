/** The package that users install holds the product and nothing else. */
import { listFiles, PackageManager } from '@vscode/vsce';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  main: string;
  bin: Record<string, string>;
  icon?: string;
  contributes: { customEditors?: unknown[]; commands: { command: string; category?: string }[] };
};

describe('the package', () => {
  let files: string[] = [];
  beforeAll(async () => {
    files = await listFiles({ cwd: root, packageManager: PackageManager.None });
  });

  it('holds only the product', () => {
    const allowed =
      /^(dist|media|l10n)\/|^(package\.json|package\.nls(\.[\w-]+)?\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
    expect(files.filter((file) => !allowed.test(file))).toEqual([]);
    expect(files.filter((file) => /\.map$|^dist\/(test|bench)|\.tsbuildinfo$/.test(file))).toEqual([]);
  });

  it('holds all that the product reads at run time', () => {
    const needed = [
      'extension.js',
      'worker.js',
      'gdb-worker.js',
      'verb-worker.js',
      'cli.js',
      'cpu-core.wasm',
      'iced_x86_bg.wasm',
      'webview/main.js',
      'webview/main.css',
    ];
    expect(needed.map((name) => `dist/${name}`).filter((file) => !files.includes(file))).toEqual([]);
    for (const file of [manifest.main, ...Object.values(manifest.bin)]) {
      expect(files).toContain(file.replace(/^\.\//, ''));
    }
    for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) expect(files).toContain(file);
  });

  it('holds the guest kit, the sample and its ready-made guests', () => {
    const under = (folder: string) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
    const wanted = [
      ...under('media/guest-kit'),
      ...under('media/workspace/drivers'),
      ...under('media/workspace/scenarios'),
    ];
    expect(wanted.filter((file) => !files.includes(file))).toEqual([]);
    expect(files.filter((file) => /^dist\/guests\/.+\.elf$/.test(file)).length).toBeGreaterThan(0);
  });

  it('holds every file that the manifest names', () => {
    const named = [...JSON.stringify(manifest).matchAll(/"\.?\/?((?:media|dist)\/[^"*]+\.\w+)"/g)].map(
      ([, file]) => file,
    );
    expect(named.length).toBeGreaterThan(2);
    expect(
      named.filter((file) => file !== undefined && (!existsSync(join(root, file)) || !files.includes(file))),
    ).toEqual([]);
  });
});
