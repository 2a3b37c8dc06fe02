/** Asks one question at a time; of the questions that come meanwhile only the last is asked. */

/**
 * @template Q question
 * @template A answer
 */
export class Latest<Q, A> {
  #busy = false;
  #next: Q | undefined;
  #generation = 0;

  /**
   * @param ask puts a question
   * @param done gets the answer to a question, in order
   * @param failed gets what went wrong
   */
  constructor(
    private readonly ask: (question: Q) => Promise<A>,
    private readonly done: (answer: A, question: Q) => void,
    private readonly failed: (error: unknown, question: Q) => void,
  ) {}

  /** Asks now, or when the current answer is here; replaces a waiting question. */
  request(question: Q): void {
    if (this.#busy) {
      this.#next = question;
      return;
    }
    void this.#run(question);
  }

  /** Forgets the waiting question and the answer on its way. */
  cancel(): void {
    this.#next = undefined;
    this.#generation++;
  }

  async #run(question: Q): Promise<void> {
    this.#busy = true;
    const generation = this.#generation;
    try {
      const answer = await this.ask(question);
      if (generation === this.#generation) this.done(answer, question);
    } catch (error) {
      if (generation === this.#generation) this.failed(error, question);
    } finally {
      this.#busy = false;
      const next = this.#next;
      this.#next = undefined;
      if (next !== undefined) this.request(next);
    }
  }
}
