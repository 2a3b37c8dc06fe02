#!/usr/bin/env node
/**
 * Stands in for the `code` executable where `@vscode/test-electron` starts it: takes VS Code's own flags, starts VS Code's server,
 * opens its workbench in headless Chromium and returns the exit code of the test run. The extension host is the real one.
 *
 *   code-wrapper.mjs [folder] --extensionDevelopmentPath=DIR --extensionTestsPath=FILE [--user-data-dir=…] [--disable-workspace-trust]
 *
 * `TRAPLINE_TEST_TIMEOUT` is the longest a run may take, in seconds (300).
 */
import { createWriteStream, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure, main, root } from './lib/shell.mjs';
import { launchBrowser, startServer, workbenchUrl } from './lib/vscode-session.mjs';

const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const folder = process.argv.slice(2).find((argument) => !argument.startsWith('--'));

/** What the workbench says of itself in every run. */
const OWN_TALK =
  /^(Resolv(ing|ed) connection token|Creating a socket|Ignoring fetching additional|Updating additional builtin|ChatSessionStore|Creation of workbench contribution|\[Service Worker\])/;

/** Values of a flag in the form `--name=value`. */
function valuesOf(name) {
  return flags.filter((flag) => flag.startsWith(`--${name}=`)).map((flag) => flag.slice(name.length + 3));
}

await main(async () => {
  const extensionPaths = valuesOf('extensionDevelopmentPath').map((path) => resolve(path));
  const testsPath = valuesOf('extensionTestsPath')[0];
  if (testsPath === undefined)
    throw new Failure('code-wrapper runs tests only: --extensionTestsPath=FILE is missing.');
  const artifacts = join(root, 'artifacts', 'vscode');
  mkdirSync(artifacts, { recursive: true });
  const log = createWriteStream(join(artifacts, 'console.log'));

  const server = await startServer({
    trusted: flags.includes('--disable-workspace-trust'),
    logFile: join(artifacts, 'server.log'),
  });
  let browser;
  try {
    browser = await launchBrowser();
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    const seconds = Number(process.env.TRAPLINE_TEST_TIMEOUT ?? 300);
    const code = await new Promise((settle, fail) => {
      setTimeout(
        () => fail(new Failure(`The test run did not end within ${seconds} s.`)),
        seconds * 1000,
      ).unref();
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
        process.once(signal, () => fail(new Failure(`Stopped by ${signal}.`)));
      }
      server.exited.then(() =>
        fail(new Failure("VS Code's server ended during the run; see artifacts/vscode/server.log.")),
      );
      page.on('crash', () => fail(new Failure('The workbench page crashed.')));
      Promise.all([
        page.exposeFunction('codeAutomationLog', (type, args) => print(log, type, args)),
        page.exposeFunction('codeAutomationExit', (exitCode) => settle(exitCode)),
      ])
        .then(() =>
          page.goto(
            workbenchUrl({
              ...server,
              folder: folder && resolve(folder),
              extensionPaths,
              testsPath: resolve(testsPath),
            }),
          ),
        )
        .catch(fail);
    });
    if (code !== 0) await page.screenshot({ path: join(artifacts, 'failed-run.png') });
    return code;
  } finally {
    await browser?.close();
    await server.stop();
  }
});

/** Prints a line of the window's console; all of them go to the log file too. */
function print(log, type, args) {
  const [first, ...rest] = args.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
  let text = (first ?? '').replace(/%c/g, () => (rest.shift(), ''));
  text = text.replace(/%[sdifoO]/g, () => rest.shift() ?? '');
  const line = `${[text, ...rest].join(' ')}\n`;
  log.write(`[${type}] ${line}`);
  if (!OWN_TALK.test(line)) process.stdout.write(line);
}
