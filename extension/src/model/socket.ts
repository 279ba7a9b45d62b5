/**
 * The socket of this page. It comes back by itself, with a wait that grows, and then says anew what the page wants
 * to know and what it knows already.
 */
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ClientMessage, Hello, ServerMessage } from './types';
import { PROTOCOL } from './types';

/** `closed` is before the first connection and after the last; `waiting` is between two. */
export type SocketState = 'closed' | 'connecting' | 'open' | 'waiting' | 'stranger';

export interface SocketOptions {
  /** Opens a socket at the route of the stream. */
  open: () => WebSocket;
  /** Milliseconds of the first wait, and of the longest. */
  shortest?: number;
  longest?: number;
  /** 0 to 1, so that pages do not all come back at once. */
  random?: () => number;
}

const OPEN = 1;

export class Socket implements IDisposable {
  constructor(private _options: SocketOptions) {}

  /** What the server says, `hello` included. */
  readonly message = new Signal<this, ServerMessage>(this);
  readonly stateChanged = new Signal<this, SocketState>(this);

  get state(): SocketState {
    return this._state;
  }

  /** When the next attempt is made, in milliseconds since the epoch; 0 if none is due. */
  get retryAt(): number {
    return this._state === 'waiting' ? this._retryAt : 0;
  }

  get hello(): Hello | null {
    return this._hello;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Connect, now if it waits for its next attempt. */
  connect(): void {
    if (this._isDisposed || this._state === 'open' || this._state === 'connecting') {
      return;
    }
    clearTimeout(this._timer);
    this._set('connecting');
    let socket: WebSocket;
    try {
      socket = this._options.open();
    } catch {
      this._wait();
      return;
    }
    this._socket = socket;
    socket.onmessage = event => {
      if (this._socket === socket) {
        this._take(event.data);
      }
    };
    socket.onclose = () => {
      if (this._socket === socket && !this._isDisposed && this._state !== 'stranger') {
        this._socket = null;
        this._wait();
      }
    };
  }

  /** Say something; false if nobody hears it. What the page wants to know it says again at each `hello`. */
  send(message: ClientMessage): boolean {
    if (this._state !== 'open' || this._socket?.readyState !== OPEN) {
      return false;
    }
    this._socket.send(JSON.stringify(message));
    return true;
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    clearTimeout(this._timer);
    this._socket?.close();
    this._set('closed');
    Signal.clearData(this);
  }

  private _take(data: unknown): void {
    let message: ServerMessage;
    try {
      message = JSON.parse(String(data));
    } catch {
      return;
    }
    if (message.type === 'hello') {
      this._hello = message;
      this._attempt = 0;
      if (message.protocol !== PROTOCOL) {
        this._set('stranger');
        this._socket?.close();
        return;
      }
      this._set('open');
    }
    this.message.emit(message);
  }

  private _wait(): void {
    const { shortest = 500, longest = 15_000, random = Math.random } = this._options;
    const whole = Math.min(longest, shortest * 2 ** Math.min(this._attempt++, 20));
    const wait = whole / 2 + (random() * whole) / 2;
    this._retryAt = Date.now() + wait;
    this._set('waiting');
    this._timer = setTimeout(() => this.connect(), wait);
  }

  private _set(state: SocketState): void {
    if (state !== this._state) {
      this._state = state;
      this.stateChanged.emit(state);
    }
  }

  private _attempt = 0;
  private _hello: Hello | null = null;
  private _isDisposed = false;
  private _retryAt = 0;
  private _socket: WebSocket | null = null;
  private _state: SocketState = 'closed';
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
