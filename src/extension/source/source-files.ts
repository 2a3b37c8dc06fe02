/** Finds the file on this machine that a place of a trace speaks of. */
import { Uri, workspace } from 'vscode';
import { dirname } from 'node:path';
import { candidatePaths, foldersUpTo } from './path-remap';

async function exists(file: Uri): Promise<boolean> {
  try {
    await workspace.fs.stat(file);
    return true;
  } catch {
    return false;
  }
}

/** Folders to look in: those around the scenario and the trace inside the workspace, then the workspace's own. */
function searchRoots(near: readonly (Uri | undefined)[]): string[] {
  const roots = near.flatMap((uri) => {
    if (uri?.scheme !== 'file') return [];
    const folder = workspace.getWorkspaceFolder(uri)?.uri.fsPath;
    // Outside any workspace folder, a scenario's drivers are customarily beside its folder.
    return folder ? foldersUpTo(uri.fsPath, folder) : [dirname(uri.fsPath), dirname(dirname(uri.fsPath))];
  });
  const folders = (workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file');
  return [...new Set([...roots, ...folders.map(({ uri }) => uri.fsPath)])];
}

/** Where a source file lies here; undefined when it is nowhere to be found. `near` are the scenario and the trace. */
export async function locateSource(
  file: string,
  near: readonly (Uri | undefined)[],
): Promise<Uri | undefined> {
  for (const path of candidatePaths(file, searchRoots(near))) {
    const uri = Uri.file(path);
    if (await exists(uri)) return uri;
  }
  return undefined;
}
