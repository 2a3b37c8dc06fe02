/** A value that tells who listens when it changes. */

export interface ReadonlySignal<T> {
  readonly value: T;
  /** Calls back at every later change; returns the way to stop. */
  subscribe(listener: (value: T) => void): () => void;
}

/** Holds one value; setting the same value again is silent. */
export class Signal<T> implements ReadonlySignal<T> {
  readonly #listeners = new Set<(value: T) => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
