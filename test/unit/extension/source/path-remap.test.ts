import { describe, expect, it } from 'vitest';
import { candidatePaths, foldersUpTo } from '../../../../src/extension/source/path-remap';

describe('where a source file may be', () => {
  it('takes an absolute path as it stands first', () => {
    expect(candidatePaths('/home/a/work/drivers/e1000.c', ['/ws'])[0]).toBe('/home/a/work/drivers/e1000.c');
  });

  it('looks for a sample’s file in the folders around the scenario, never at the folder it was built in', () => {
    const paths = candidatePaths('/trapline/workspace/drivers/e1000.c', ['/ws/scenarios', '/ws']);
    expect(paths).toContain('/ws/drivers/e1000.c');
    expect(paths).not.toContain('/trapline/workspace/drivers/e1000.c');
    expect(paths.indexOf('/ws/scenarios/drivers/e1000.c')).toBeLessThan(paths.indexOf('/ws/drivers/e1000.c'));
  });

  it('finds a file of another machine by the longest tail that exists here', () => {
    const paths = candidatePaths('/builds/77/trapline/drivers/net/e1000.c', ['/ws']);
    expect(paths.indexOf('/ws/drivers/net/e1000.c')).toBeGreaterThan(0);
    expect(paths.indexOf('/ws/drivers/net/e1000.c')).toBeLessThan(paths.indexOf('/ws/net/e1000.c'));
  });

  it('does not take any file of the same bare name for the same file', () => {
    expect(candidatePaths('/builds/77/drivers/main.c', ['/ws'])).not.toContain('/ws/main.c');
    expect(candidatePaths('main.c', ['/ws'])).toContain('/ws/main.c');
  });

  it('names each path once and never leaves a root by dots', () => {
    const paths = candidatePaths('../../etc/passwd', ['/ws']);
    expect(new Set(paths).size).toBe(paths.length);
    for (const path of paths) expect(path.startsWith('/ws/')).toBe(true);
  });
});

describe('folders above a file', () => {
  it('go up to the workspace folder', () => {
    expect(foldersUpTo('/ws/a/b/c.json', '/ws')).toEqual(['/ws/a/b', '/ws/a', '/ws']);
  });

  it('are none for a file elsewhere', () => {
    expect(foldersUpTo('/other/c.json', '/ws')).toEqual([]);
  });
});
