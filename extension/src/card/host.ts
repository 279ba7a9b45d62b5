/** What a card needs of the page around it: JupyterLab's is the workbench, elsewhere the kernel does it. */
import type { ISignal } from '@lumino/signaling';
import type { JobFeed } from '../model/feed';
import type { JobKey } from '../model/problems';
import type { Rest } from '../model/rest';
import type { Health, May } from '../model/types';
import type { Link } from '../model/workbench';

/** Carries out what can be done with a job. */
export interface Doer {
  readonly link: Link;
  readonly may: May;
  /** What to say while there is no connection, where there is more to say than that. */
  readonly away?: string;
  readonly rest: Pick<Rest, 'cancel' | 'manifests' | 'remove' | 'rerun'>;
}

/** Tells of a job, too. */
export interface CardHost extends Doer {
  readonly changed: ISignal<unknown, void>;
  readonly rest: Pick<Rest, 'cancel' | 'card' | 'manifests' | 'remove' | 'rerun'>;
  follow(key: JobKey): JobFeed;
  release(feed: JobFeed): void;
  jobsOf(target: string): { health: Health | null };
}
