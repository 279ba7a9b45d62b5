/** Executed notebooks of the runs that were begun on this page: told when they are written. */
import { Signal } from '@lumino/signaling';
import type { JobFeed } from './feed';
import type { JobKey } from './problems';
import type { Rest } from './rest';
import { hasEnded, type Job, type Outcome } from './types';

/** An executed notebook, and the job that makes it. */
export interface Output extends JobKey {
  /** Where it is, as the contents API has it. */
  path: string;
  /** Of the notebook that runs. */
  name: string;
}

interface Following {
  follow(key: JobKey): JobFeed;
  release(feed: JobFeed): void;
}

/** Milliseconds between two looks at an output whose job has ended, and how many there are at most. */
const EVERY = 500;
const LOOKS = 60;

export class Outputs {
  constructor(
    private _jobs: Following,
    private _rest: Pick<Rest, 'outcome'>,
    private _every = EVERY
  ) {}

  /** A job has ended, and its output is as it will be. */
  readonly ended = new Signal<this, { output: Output; job: Job; outcome: Outcome }>(this);

  /** The output of a job that was begun on this page. */
  of(id: string): Output | null {
    return this._outputs.get(id) ?? null;
  }

  /** The same, once it is as it will be. */
  written(id: string): Output | null {
    return this._written.has(id) ? this.of(id) : null;
  }

  /** Follow a run to its end. */
  add(output: Output): void {
    this._outputs.set(output.id, output);
    const feed = this._jobs.follow(output);
    const look = () => {
      const job = feed.document;
      if (job && hasEnded(job.state)) {
        feed.changed.disconnect(look);
        this._jobs.release(feed);
        void this._settled(output.path).then(outcome => {
          this._written.add(output.id);
          this.ended.emit({ output, job, outcome });
        });
      }
    };
    feed.changed.connect(look);
    look();
  }

  /** The output is written a moment after its job has ended, by whoever follows that. */
  private async _settled(path: string): Promise<Outcome> {
    let outcome: Outcome = { output: path, written: false, over: null, problem: '' };
    for (let i = 0; i < LOOKS; i++) {
      outcome = await this._rest.outcome(path).catch(() => outcome);
      if (outcome.over || (outcome.over === null && outcome.written)) {
        break;
      }
      await new Promise(resolve => setTimeout(resolve, this._every));
    }
    return outcome;
  }

  private _outputs = new Map<string, Output>();
  private _written = new Set<string>();
}
