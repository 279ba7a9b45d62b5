/** What this page knows of sovlab: one for all of the panel, the cards, the status bar and the notebooks. */
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { JobFeed } from './feed';
import { JobList } from './jobs';
import { Outputs } from './outputs';
import type { JobKey } from './problems';
import type { Rest } from './rest';
import { ProblemError } from './problems';
import type { Socket } from './socket';
import type { Backends, JobRow, May, Problem, ServerMessage, Targets, Telemetry, Version } from './types';
import { PROTOCOL } from './types';

/** What stands between the page and the jobs, if anything does. */
export type Link = 'starting' | 'live' | 'lost' | 'absent' | 'stranger';

export class Workbench implements IDisposable {
  constructor(
    readonly rest: Rest,
    readonly socket: Socket
  ) {
    this.outputs = new Outputs(this, rest);
    socket.message.connect((_, message) => this._take(message));
    socket.stateChanged.connect(() => this.changed.emit());
  }

  /** Targets, backends, telemetry, health or the connection have changed; jobs tell of themselves. */
  readonly changed = new Signal<this, void>(this);
  /** A job is in another state now. */
  readonly turned = new Signal<this, { row: JobRow; before: string }>(this);

  /** What the runs of notebooks that were begun here write. */
  readonly outputs: Outputs;
  version: Version | null = null;
  targets: Targets | null = null;
  /** Why the server could not be asked at the start. */
  problem: Problem | null = null;

  get link(): Link {
    if (this.socket.state === 'stranger' || (this.version && this.version.protocol !== PROTOCOL)) {
      return 'stranger';
    }
    if (this.socket.state === 'open') {
      return 'live';
    }
    return this.problem ? 'absent' : this._begun ? 'lost' : 'starting';
  }

  get may(): May {
    return this.socket.hello?.may ?? this.version?.may ?? { write: false, execute: false };
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Ask the server what it is, and connect if it is of our kind. */
  async start(): Promise<void> {
    try {
      this.version = await this.rest.version();
      this.problem = null;
      if (this.version.protocol === PROTOCOL) {
        this.targets = await this.rest.targets();
        this._target = this._target || this.targets.current;
        this.socket.connect();
      }
    } catch (error) {
      this.problem = error instanceof ProblemError ? error.problem : null;
    }
    this.changed.emit();
  }

  /** The target that the panel shows. */
  get target(): string {
    return this._target;
  }

  set target(name: string) {
    if (name !== this._target) {
      this._target = name;
      this._watch();
      this._lookAt();
      this.changed.emit();
    }
  }

  get jobs(): JobList {
    return this.jobsOf(this._target);
  }

  jobsOf(target: string): JobList {
    let list = this._lists.get(target);
    if (!list) {
      list = new JobList(target, this.rest);
      this._lists.set(target, list);
    }
    return list;
  }

  backendsOf(target: string): Backends | null {
    return this._backends.get(target) ?? null;
  }

  /** Why a target could not be asked what hardware it has, when it was last asked; null if it could. */
  backendsProblemOf(target: string): Problem | null {
    return this._backendsProblems.get(target) ?? null;
  }

  telemetryOf(target: string): Telemetry | null {
    return this._telemetry.get(target) ?? null;
  }

  /** Why there is no telemetry of a target; empty if there is. */
  telemetryProblem(target: string): string {
    return this._telemetryProblems.get(target)?.detail ?? '';
  }

  /** Ask what hardware a target has; of many that ask at once one does. */
  async refreshBackends(target: string): Promise<void> {
    if (!target || this._asking.has(target) || this.link !== 'live') {
      return;
    }
    this._asking.add(target);
    try {
      this._backends.set(target, await this.rest.backends(target));
      this._backendsProblems.delete(target);
    } catch (error) {
      if (error instanceof ProblemError) {
        this._backendsProblems.set(target, error.problem);
      }
    } finally {
      this._asking.delete(target);
      this.changed.emit();
    }
  }

  /** Be told of power and heat, until what comes back is disposed of: somebody sees them. */
  look(): IDisposable {
    this._lookers++;
    if (this._lookers === 1) {
      this._lookAt();
    }
    let done = false;
    return {
      get isDisposed() {
        return done;
      },
      dispose: () => {
        if (!done) {
          done = true;
          this._lookers--;
          if (this._lookers === 0) {
            this._lookAt();
          }
        }
      }
    };
  }

  /** Be told all of a job until it is released; those that follow the same one share what is told. */
  follow(key: JobKey): JobFeed {
    const name = `${key.target}\n${key.id}`;
    let followed = this._feeds.get(name);
    if (!followed) {
      followed = { feed: new JobFeed(key, this.rest), count: 0 };
      this._feeds.set(name, followed);
      this.socket.send({ type: 'follow', job: key.id, target: key.target || null, have: null });
    }
    followed.count++;
    return followed.feed;
  }

  release(feed: JobFeed): void {
    const name = `${feed.key.target}\n${feed.key.id}`;
    const followed = this._feeds.get(name);
    if (followed?.feed === feed && --followed.count === 0) {
      this._feeds.delete(name);
      if (!feed.complete) {
        this.socket.send({ type: 'unfollow', job: feed.key.id, target: feed.key.target || null });
      }
    }
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this.socket.dispose();
      Signal.clearData(this);
    }
  }

  private _take(message: ServerMessage): void {
    switch (message.type) {
      case 'hello':
        this._begun = true;
        if (this._epoch !== message.epoch) {
          this._revisions = {};
        }
        this._watch(message.epoch);
        if (this._epoch && this._epoch !== message.epoch) {
          void this._again();
        }
        this._epoch = message.epoch;
        this._lookAt();
        this._feeds.forEach(({ feed }) => {
          if (!feed.complete) {
            const { id, target } = feed.key;
            this.socket.send({ type: 'follow', job: id, target: target || null, have: feed.log.have() });
          }
        });
        this.changed.emit();
        break;
      case 'health':
        this.jobsOf(message.health.target).health = message.health;
        this.jobsOf(message.health.target).changed.emit();
        this.changed.emit();
        break;
      case 'snapshot':
        this._revisions[message.target] = message.revision;
        this.jobsOf(message.target).snapshot(message);
        this.changed.emit();
        break;
      case 'records':
        this._revisions[message.target] = message.revision;
        this.jobsOf(message.target)
          .records(message)
          .forEach(each => this.turned.emit(each));
        this.changed.emit();
        break;
      case 'telemetry':
        if (message.telemetry) {
          this._telemetry.set(message.target, message.telemetry);
          this._telemetryProblems.delete(message.target);
        } else if (message.problem) {
          this._telemetryProblems.set(message.target, message.problem);
        }
        this.changed.emit();
        break;
      case 'job':
        this._feedsOf(message.target, message.job.id, feed => feed.take(message.job, message.ended));
        break;
      case 'log':
        this._feedsOf(message.target, message.job, feed => feed.print(message.pieces));
        break;
      case 'gap':
        this._feedsOf(message.target, message.job, feed => feed.skip(message));
        break;
      case 'readings':
        this._feedsOf(message.target, message.job, feed => feed.measure(message));
        break;
      case 'refused':
        this._feedsOf(message.target, message.job, feed => feed.fail(message.problem));
        break;
    }
  }

  private _feedsOf(target: string, id: string, then: (feed: JobFeed) => void): void {
    for (const { feed } of this._feeds.values()) {
      if (feed.key.id === id && (feed.key.target === target || !feed.key.target)) {
        then(feed);
      }
    }
  }

  /** The server is another than before: what it has may be, too. */
  private async _again(): Promise<void> {
    this._backends.clear();
    await this.start();
    void this.refreshBackends(this._target);
  }

  private _watch(epoch = this._epoch): void {
    const target = this._target;
    if (target) {
      const revision = this._revisions[target];
      const known = revision === undefined ? {} : { [target]: revision };
      this.socket.send({ type: 'watch', targets: [target], epoch, known });
    }
  }

  private _lookAt(): void {
    const targets = this._lookers > 0 && this._target ? [this._target] : [];
    this.socket.send({ type: 'look', targets });
  }

  private _asking = new Set<string>();
  private _backends = new Map<string, Backends>();
  private _backendsProblems = new Map<string, Problem>();
  private _begun = false;
  private _epoch = '';
  private _feeds = new Map<string, { feed: JobFeed; count: number }>();
  private _isDisposed = false;
  private _lists = new Map<string, JobList>();
  private _lookers = 0;
  /** The last of each target, in this epoch. */
  private _revisions: Record<string, number> = {};
  private _target = '';
  private _telemetry = new Map<string, Telemetry>();
  private _telemetryProblems = new Map<string, Problem>();
}
