/**
 * Object files that need not be compiled again. A record tells which files an object came from (the source and the headers
 * that the compiler reported) and their hashes; it holds as long as they are unchanged.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Diagnostic } from './diagnostics';

const FORMAT = 1;

/** What was kept of one compilation. */
export interface CompiledObject {
  /** Absolute path of the object file; its name is a hash of all that went into it. */
  path: string;
  warnings: Diagnostic[];
}

interface CacheRecord {
  format: number;
  inputs: [path: string, sha256: string][];
  object: string;
  warnings: Diagnostic[];
}

/** SHA-256 of texts and bytes, each set apart from the next, hexadecimal. */
export function hashOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}

let temporaries = 0;

/** Objects and executables in one folder; several processes may use it at once. */
export class ObjectCache {
  constructor(readonly folder: string) {}

  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }

  /** A name in the folder that nobody else uses. */
  temporary(suffix: string): string {
    return join(this.folder, `partial-${process.pid}-${temporaries++}${suffix}`);
  }

  /** The object kept under a key, if all that it came from is as it was. */
  async find(key: string): Promise<CompiledObject | undefined> {
    const record = await this.readRecord(key);
    if (!record) return undefined;
    const inputs = await Promise.all(
      record.inputs.map(async ([path, hash]) => (await hashFile(path)) === hash),
    );
    const path = join(this.folder, record.object);
    if (inputs.includes(false) || (await hashFile(path)) === undefined) return undefined;
    return { path, warnings: record.warnings };
  }

  /**
   * Keeps a fresh object.
   * @param file of the object, which is moved
   * @param inputs absolute paths of the source and its headers
   */
  async keep(
    key: string,
    file: string,
    inputs: readonly string[],
    warnings: Diagnostic[],
  ): Promise<CompiledObject> {
    const hashed: [string, string][] = [];
    for (const path of inputs) hashed.push([path, (await hashFile(path)) ?? '']);
    const object = `${hashOf([key, await readFile(file)])}.o`;
    const path = join(this.folder, object);
    await rename(file, path);
    const record: CacheRecord = { format: FORMAT, inputs: hashed, object, warnings };
    const partial = this.temporary('.json');
    await writeFile(partial, JSON.stringify(record));
    await rename(partial, join(this.folder, `${key}.json`));
    return { path, warnings };
  }

  async discard(file: string): Promise<void> {
    await rm(file, { force: true });
  }

  private async readRecord(key: string): Promise<CacheRecord | undefined> {
    try {
      const record = JSON.parse(await readFile(join(this.folder, `${key}.json`), 'utf8')) as CacheRecord;
      return record.format === FORMAT ? record : undefined;
    } catch {
      return undefined; // never compiled, or the record is damaged: compile
    }
  }
}

/** SHA-256 of a file's contents, hexadecimal; undefined when it cannot be read. */
export async function hashFile(path: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  } catch {
    return undefined;
  }
}

/** The files in a make rule as `-MMD` writes it, without its target. */
export function parseDependencies(rule: string): string[] {
  const colon = rule.indexOf(': ');
  if (colon < 0) return [];
  const joined = rule.slice(colon + 2).replace(/\\\r?\n/g, ' ');
  const files = joined.match(/(?:\\[ #]|\$\$|[^\s])+/g) ?? [];
  return files.map((each) => each.replace(/\\([ #])/g, '$1').replace(/\$\$/g, '$'));
}
