/** Stands for the extension host of the comparison's page: hands its messages to the test, and the test's answers to it. */
import type { FromComparison, ToComparison } from '../../../src/protocol/comparison';

declare global {
  interface Window {
    /** Given by the test: answers a message of the page, or with null. */
    answer(message: FromComparison): Promise<ToComparison | null>;
  }
}

window.acquireVsCodeApi = () => ({
  postMessage: (message: unknown) => {
    void window.answer(message as FromComparison).then((answer) => answer && window.postMessage(answer, '*'));
  },
  getState: () => JSON.parse(sessionStorage.getItem('state') ?? 'null') as unknown,
  setState: (state: unknown) => sessionStorage.setItem('state', JSON.stringify(state)),
});
