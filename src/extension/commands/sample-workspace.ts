/** Creates a folder of sample scenarios and drivers to start from. */
import { FileType, Uri, commands, l10n, window, workspace, type Disposable } from 'vscode';
import { Command } from '../names';

/** Folder of the sample workspace that holds the guest kit's headers, for the editor's C support alone. */
const headerFolder = '.trapline/include';

/** A file to be written: its path in the new folder and where its bytes come from. */
interface SampleFile {
  path: string;
  bytes: Uint8Array;
}

const encode = (value: object): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);

/** Settings by which C extensions find `trapline.h`; Trapline itself needs none of them. */
function editorSupport(): SampleFile[] {
  const properties = {
    version: 4,
    configurations: [
      {
        name: 'Trapline guest',
        includePath: [`\${workspaceFolder}/${headerFolder}`, '${workspaceFolder}/drivers'],
        cStandard: 'c11',
        intelliSenseMode: 'linux-gcc-x64',
        compilerPath: '',
      },
    ],
  };
  return [
    { path: '.vscode/c_cpp_properties.json', bytes: encode(properties) },
    {
      path: 'compile_flags.txt',
      bytes: new TextEncoder().encode(`-ffreestanding\n-std=c11\n-I${headerFolder}\n`),
    },
  ];
}

async function filesUnder(folder: Uri, inside = ''): Promise<SampleFile[]> {
  const entries = await workspace.fs.readDirectory(folder);
  const files = await Promise.all(
    entries.map(async ([name, type]): Promise<SampleFile[]> => {
      const uri = Uri.joinPath(folder, name);
      if (type === FileType.Directory) return filesUnder(uri, `${inside}${name}/`);
      return [{ path: `${inside}${name}`, bytes: await workspace.fs.readFile(uri) }];
    }),
  );
  return files.flat();
}

async function sampleFiles(extensionUri: Uri): Promise<SampleFile[]> {
  const media = Uri.joinPath(extensionUri, 'media');
  const [samples, kit] = await Promise.all([
    filesUnder(Uri.joinPath(media, 'workspace')),
    filesUnder(Uri.joinPath(media, 'guest-kit')),
  ]);
  const headers = kit
    .filter(({ path }) => path.endsWith('.h'))
    .map(({ path, bytes }) => ({ path: `${headerFolder}/${path}`, bytes }));
  const own = new Set(samples.map(({ path }) => path));
  return [...samples, ...headers, ...editorSupport().filter(({ path }) => !own.has(path))];
}

async function isThere(uri: Uri): Promise<boolean> {
  try {
    await workspace.fs.stat(uri);
    return true;
  } catch {
    return false;
  }
}

/** Those of the files that exist already with other content. */
async function conflicts(folder: Uri, files: readonly SampleFile[]): Promise<SampleFile[]> {
  const differ = await Promise.all(
    files.map(async ({ path, bytes }) => {
      const uri = Uri.joinPath(folder, path);
      return (await isThere(uri)) && Buffer.compare(await workspace.fs.readFile(uri), bytes) !== 0;
    }),
  );
  return files.filter((_, index) => differ[index]);
}

async function askFolder(): Promise<Uri | undefined> {
  const [parent] =
    (await window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      canSelectMany: false,
      openLabel: l10n.t('Create Here'),
      title: l10n.t('Where should the folder “trapline-samples” be created?'),
    })) ?? [];
  return parent && Uri.joinPath(parent, 'trapline-samples');
}

/** Which files to write where some are in the way: all, only the missing ones, or undefined to leave it. */
async function resolveConflicts(
  folder: Uri,
  files: readonly SampleFile[],
): Promise<readonly SampleFile[] | undefined> {
  const existing = await conflicts(folder, files);
  if (existing.length === 0) return files;
  const keep = l10n.t('Keep Mine');
  const replace = l10n.t('Replace');
  const pressed = await window.showWarningMessage(
    l10n.t('{0} files of the sample workspace exist already and differ.', existing.length),
    {
      modal: true,
      detail: existing
        .slice(0, 10)
        .map(({ path }) => path)
        .join('\n'),
    },
    keep,
    replace,
  );
  if (pressed === replace) return files;
  return pressed === keep ? files.filter((file) => !existing.includes(file)) : undefined;
}

/**
 * Writes the sample workspace. `target` is taken as the folder itself; without it the reader is asked. Resolves to the
 * folder, undefined when the reader thought better of it. Files in the way are never overwritten unasked.
 */
async function create(extensionUri: Uri, target: unknown): Promise<Uri | undefined> {
  const given = target instanceof Uri ? target : undefined;
  const folder = given ?? (await askFolder());
  if (!folder) return undefined;
  const files = await resolveConflicts(folder, await sampleFiles(extensionUri));
  if (!files) return undefined;
  for (const { path, bytes } of files) await workspace.fs.writeFile(Uri.joinPath(folder, path), bytes);
  const open = workspace.workspaceFolders?.some(({ uri }) => uri.toString() === folder.toString()) ?? false;
  // With a folder given by its URI, opening is the caller's business.
  if (!given && !open) {
    const occupied = (workspace.workspaceFolders?.length ?? 0) > 0;
    await commands.executeCommand('vscode.openFolder', folder, { forceNewWindow: occupied });
  }
  return folder;
}

/** Registers the command. */
export function registerSampleWorkspace(extensionUri: Uri): Disposable {
  return commands.registerCommand(Command.createSampleWorkspace, (target?: unknown) =>
    create(extensionUri, target),
  );
}
