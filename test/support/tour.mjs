/** The steps of the README's tour, as a user does them. For UI tests and for the picture in the README. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../scripts/lib/shell.mjs';

/** Parts of the trace page that the tour touches. */
export const page = {
  lane: '.gutter-lane[data-lane]',
  surface: '.surface',
  source: '.details .source',
  runAgain: 'vscode-button[aria-label="Run the scenario again"]:visible',
  find: '.find vscode-text-field',
};

/**
 * F1, Run Scenario, the sample; then waits until the run is over.
 * @returns {Promise<{ frame: import('playwright-core').Frame }>} frame of the trace page
 */
export async function runSample(workbench, name = 'b7-e1000-emulated') {
  await workbench.runCommand('Trapline: Run Scenario');
  await workbench.answer(name, name);
  const frame = await workbench.webview(page.lane);
  await frame.locator(page.runAgain).waitFor();
  return { frame };
}

/** Names of the lanes with their tracks and headings, top to bottom: `vCPU 0`, `mode` … as they are on the screen. */
export async function laneTexts(frame) {
  return frame.locator('.gutter-heading, .gutter-track, .gutter-part').allInnerTexts();
}

/** How many differently coloured pixels the lanes show; a blank canvas has one. */
export async function coloursOf(frame) {
  return frame
    .locator(`${page.surface} canvas`)
    .first()
    .evaluate((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set();
      for (let at = 0; at < data.length; at += 4) {
        colours.add((data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3]);
      }
      return colours.size;
    });
}

/** How often, and how many milliseconds apart, the details are looked at for a match. */
const MATCH_LOOKS = 50;
const MATCH_REST = 100;

/** Types a query into the find box and goes to its first match. */
export async function find(frame, query) {
  const field = frame.locator(`${page.find} input`);
  const head = frame.locator('.details-head');
  const before = (await head.count()) > 0 ? await head.innerText() : '';
  await field.fill(query);
  await field.press('Enter');
  await head.waitFor();
  // The details of an earlier selection stand until the match has arrived; where they are the match's own, nothing changes.
  for (let look = 0; look < MATCH_LOOKS && (await head.innerText()) === before; look += 1) {
    await sleep(MATCH_REST);
  }
}

/**
 * Moves the pointer along a lane until it is on an event, and clicks.
 * @param {string} part what the lane shows, as its label says: `exits`
 */
export async function clickEventOf(workbench, frame, part) {
  const label = frame
    .locator(page.lane, { has: frame.locator('.gutter-part', { hasText: new RegExp(`^${part}$`) }) })
    .first();
  await label.scrollIntoViewIfNeeded();
  const lane = await label.boundingBox();
  const surface = frame.locator(page.surface);
  const box = await surface.boundingBox();
  const y = lane.y + lane.height / 2;
  const middle = box.x + box.width / 2;
  for (let distance = 0; distance < box.width / 2 - 4; distance += 1) {
    for (const x of [middle + distance, middle - distance]) {
      await workbench.page.mouse.move(x, y);
      const onEvent = await surface.evaluate((element) => element.classList.contains('on-event'));
      if (!onEvent) continue;
      await workbench.page.mouse.click(x, y);
      await frame.locator('.details-head').waitFor();
      return;
    }
  }
  throw new Failure(`The lane "${part}" shows no event to click on.`);
}

/**
 * Clicks an exit. Nothing may be selected before: the details are those of the click when they are there at all.
 * @returns {Promise<{ file: string, line: number }>} the place that the details name
 */
export async function openSourceOfExit(workbench, frame) {
  await clickEventOf(workbench, frame, 'exits');
  const text = await frame.locator(page.source).innerText();
  const place = /([\w.-]+\.[ch]):(\d+)/.exec(text);
  if (place === null) throw new Failure(`The details name no line of C but "${text}".`);
  await workbench.page.locator('.tabs-container .tab', { hasText: place[1] }).first().waitFor();
  return { file: place[1], line: Number(place[2]) };
}

/** What stands behind the lines of the active text editor. */
export async function lineEndDecorations(workbench) {
  return workbench.page.locator('.monaco-editor .view-line span').evaluateAll((spans) =>
    spans
      .map((span) => getComputedStyle(span, '::after').content)
      .filter((content) => content.startsWith('"') && content.length > 2)
      .map((content) => content.slice(1, -1).trim()),
  );
}
