interface Node<T> {
  readonly value: T;
  previous: Node<T> | undefined;
  next: Node<T> | undefined;
  queued: boolean;
}

/**
 * First in, first out, with O(1) removal from the middle: a waiter that gives up must leave at once, without a scan of
 * the thousands behind it.
 */
export class LinkedQueue<T> {
  #head: Node<T> | undefined;
  #tail: Node<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Appends a value and returns a function that takes it out again; calling that late or twice does nothing. */
  push(value: T): () => void {
    const node: Node<T> = { value, previous: this.#tail, next: undefined, queued: true };
    if (this.#tail) this.#tail.next = node;
    else this.#head = node;
    this.#tail = node;
    this.#size += 1;
    return () => this.#remove(node);
  }

  shift(): T | undefined {
    const node = this.#head;
    if (node) this.#remove(node);
    return node?.value;
  }

  #remove(node: Node<T>): void {
    if (!node.queued) return;
    node.queued = false;
    if (node.previous) node.previous.next = node.next;
    else this.#head = node.next;
    if (node.next) node.next.previous = node.previous;
    else this.#tail = node.previous;
    this.#size -= 1;
  }
}
