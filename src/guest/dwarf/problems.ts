import { GuestImageError } from '../errors';

/** So many problems of one file are told; a damaged one may have thousands, and a reader stops earlier. */
const MOST = 20;

/** What went wrong in reading debug information. Damage costs what is damaged, and is never thrown at those who ask. */
export class Problems {
  private readonly found = new Set<string>();

  constructor(
    /** Of the file, for messages. */
    private readonly file: string,
  ) {}

  get list(): readonly string[] {
    return [...this.found];
  }

  /** Takes a sentence. */
  note(sentence: string): void {
    if (this.found.size < MOST) this.found.add(`${this.file}: ${sentence}`);
  }

  /** Does what may meet damage; where it does, that is noted and `otherwise` comes out. */
  guard<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof GuestImageError)) throw error;
      this.note(error.message);
      return otherwise;
    }
  }

  /** What is worked out when first asked for, guarded. */
  later<T>(work: () => T, otherwise: T): () => T {
    let done: { value: T } | undefined;
    return () => (done ??= { value: this.guard(work, otherwise) }).value;
  }
}
