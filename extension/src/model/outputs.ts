/** Executed notebooks of the runs that were begun on this page: told when they are written. */
import { Signal } from '@lumino/signaling';
import type { JobFeed } from './feed';
import type { JobKey } from './problems';
import type { Rest } from './rest';
import { hasEnded, isJobId, type Job, type Outcome } from './types';

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

const KEY = 'sovlab:outputs';
const MOST_SAVED = 50;

/** What a storage holds, as far as it is what is kept there. */
function saved(storage: Pick<Storage, 'getItem'>): (Output & { written: boolean })[] {
  try {
    const found: unknown = JSON.parse(storage.getItem(KEY) ?? '[]');
    const texts = (each: Output) => [each.target, each.path, each.name].every(text => typeof text === 'string');
    return Array.isArray(found) ? found.filter(each => isJobId(each?.id) && texts(each)).slice(-MOST_SAVED) : [];
  } catch {
    return [];
  }
}

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

  /** Keep what is known in a storage, and follow what a page before this one has begun. */
  restore(storage: Pick<Storage, 'getItem' | 'setItem'>): void {
    this._storage = storage;
    for (const { written, ...output } of saved(storage)) {
      if (written) {
        this._outputs.set(output.id, output);
        this._written.add(output.id);
      } else {
        this.add(output);
      }
    }
  }

  /** Follow a run to its end. */
  add(output: Output): void {
    this._outputs.set(output.id, output);
    this._save();
    const feed = this._jobs.follow(output);
    const look = () => {
      const job = feed.document;
      const gone = feed.problem?.status === 404;
      if (gone || (job && hasEnded(job.state))) {
        feed.changed.disconnect(look);
        this._jobs.release(feed);
      }
      if (gone) {
        // It was removed: nobody will tell of it.
        this._outputs.delete(output.id);
        this._save();
      } else if (job && hasEnded(job.state)) {
        void this._settled(output.path).then(outcome => {
          this._written.add(output.id);
          this._save();
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

  private _save(): void {
    const all = [...this._outputs.values()].slice(-MOST_SAVED);
    try {
      this._storage?.setItem(KEY, JSON.stringify(all.map(each => ({ ...each, written: this._written.has(each.id) }))));
    } catch {
      // A full or forbidden storage: then it is known until the page is loaded again.
    }
  }

  private _storage: Pick<Storage, 'getItem' | 'setItem'> | null = null;
  private _outputs = new Map<string, Output>();
  private _written = new Set<string>();
}
