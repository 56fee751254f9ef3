/** One reload after the other: requests that come during one are answered by one more, which sees the newest file. */
export class Reloads {
  readonly #reload: () => Promise<void>;
  #running: Promise<void> | null = null;
  #isWanted = false;
  #isOpen = false;

  /** `reload` must not reject. */
  constructor(reload: () => Promise<void>) {
    this.#reload = reload;
  }

  request(): void {
    this.#isWanted = true;
    if (this.#isOpen) this.#running ??= this.#run();
  }

  /** From now on requests are answered; one that came before is now. */
  open(): void {
    this.#isOpen = true;
    if (this.#isWanted) this.request();
  }

  /** Answers no more requests. Resolves when the reload under way is over. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isWanted && this.#isOpen) {
      this.#isWanted = false;
      await this.#reload();
    }
    this.#running = null;
  }
}
