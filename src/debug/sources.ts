/** Source files and modules: what the guests are made from. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Handlers, SessionContext } from './context';
import type { Listings } from './disassembly/listings';
import { RequestError, textOf, wholeNumber } from './errors';

export class Sources {
  constructor(
    private readonly context: SessionContext,
    private readonly listings: Listings,
  ) {}

  readonly handlers: Handlers = {
    loadedSources: () => ({ body: { sources: this.loaded() } }),
    modules: (args: DebugProtocol.ModulesArguments) => ({ body: this.modules(args) }),
    source: (args: DebugProtocol.SourceArguments) => ({ body: this.source(args) }),
  };

  private get files(): string[] {
    const { programs } = this.context.debuggee;
    return [...new Set(programs.flatMap(({ image }) => image.lines.files))].sort();
  }

  private loaded(): DebugProtocol.Source[] {
    return this.files.map((path) => ({ name: basename(path), path }));
  }

  /** A module is the guest of a VM. */
  private modules({ startModule = 0, moduleCount = 0 }: DebugProtocol.ModulesArguments) {
    const { programs } = this.context.debuggee;
    const first = wholeNumber(startModule, 'The first module');
    const count = wholeNumber(moduleCount, 'The number of modules') || programs.length;
    const modules = programs.slice(first, first + count).map(({ vm, vmName, path, image }) => ({
      id: vm,
      name: `${vmName}: ${basename(path)}`,
      path,
      isUserCode: true,
      symbolStatus:
        image.lines.files.length > 0 ? 'Source lines' : (image.debugProblem ?? 'No debug information'),
    }));
    return { modules, totalModules: programs.length };
  }

  /**
   * The text of a listing, or of a file of the debug information, and of no other: a client is not to read the machine's files by it.
   */
  private source({ source, sourceReference }: DebugProtocol.SourceArguments) {
    const reference = source?.sourceReference ?? sourceReference;
    if (reference !== undefined && reference !== 0) {
      const content = this.listings.textOf(wholeNumber(reference, 'A source reference'));
      if (content === undefined) throw new RequestError(`There is no listing ${reference}.`);
      return { content, mimeType: 'text/x-asm' };
    }
    const path = textOf(source?.path, 'The path of a source');
    if (!this.files.includes(path)) throw new RequestError(`No guest is made from ${path}.`);
    try {
      return { content: readFileSync(path, 'utf8'), mimeType: 'text/x-c' };
    } catch {
      throw new RequestError(`${path} cannot be read: is it where the guest was compiled from?`);
    }
  }
}
