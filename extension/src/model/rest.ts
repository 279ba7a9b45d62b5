/** The routes of the server: each call ends in an answer, or in a `ProblemError` that says what to do. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { type JobKey, ProblemError } from './problems';
import type {
  Backends,
  Begun,
  BulkResult,
  Form,
  Happenings,
  Job,
  JobPage,
  LogPage,
  Manifests,
  Outcome,
  Power,
  Problem,
  RunRequest,
  Sent,
  Submit,
  Submitted,
  Targets,
  Version
} from './types';

export const NAMESPACE = 'sovlab/api';
/** Milliseconds after which a call that was not answered is given up; a submit may take longer. */
const PATIENCE = 10_000;
const PATIENCE_TO_SUBMIT = 60_000;

/** Which jobs of a target, and in which order. */
export interface JobsQuery {
  target: string;
  state?: string;
  q?: string;
  sort?: string;
  order?: 'asc' | 'desc';
  page?: number;
  size?: number;
}

type Parameters = Record<string, string | number | undefined>;

export class Rest {
  constructor(private _settings: ServerConnection.ISettings) {}

  version(): Promise<Version> {
    return this._ask('GET', 'version');
  }

  targets(): Promise<Targets> {
    return this._ask('GET', 'targets');
  }

  backends(target: string): Promise<Backends> {
    return this._ask('GET', 'backends', { target });
  }

  jobs(query: JobsQuery): Promise<JobPage> {
    return this._ask('GET', 'jobs', { ...query });
  }

  job(key: JobKey): Promise<Job> {
    return this._ask('GET', of(key), { target: key.target });
  }

  cancel(key: JobKey): Promise<Job> {
    return this._ask('POST', `${of(key)}/cancel`, { target: key.target });
  }

  rerun(key: JobKey): Promise<Submitted> {
    return this._ask('POST', `${of(key)}/rerun`, { target: key.target }, {}, PATIENCE_TO_SUBMIT);
  }

  remove(key: JobKey): Promise<void> {
    return this._ask('DELETE', of(key), { target: key.target });
  }

  bulk(action: 'cancel' | 'remove' | 'rerun', keys: readonly JobKey[]): Promise<BulkResult> {
    const jobs = keys.map(({ id, target }) => ({ id, target }));
    return this._ask('POST', 'jobs/bulk', {}, { action, jobs }, PATIENCE_TO_SUBMIT);
  }

  log(key: JobKey, rank: number | null, offset: number, limit: number): Promise<LogPage> {
    const parameters = { target: key.target, rank: rank ?? undefined, offset, limit };
    return this._ask('GET', `${of(key)}/log`, parameters);
  }

  power(key: JobKey): Promise<Power> {
    return this._ask('GET', `${of(key)}/power`, { target: key.target });
  }

  manifests(key: JobKey): Promise<Manifests> {
    return this._ask('GET', `${of(key)}/manifests`, { target: key.target });
  }

  events(key: JobKey, page: number, size: number): Promise<Happenings> {
    return this._ask('GET', `${of(key)}/events`, { target: key.target, page, size });
  }

  sent(key: JobKey): Promise<Sent> {
    return this._ask('GET', `${of(key)}/sent`, { target: key.target });
  }

  card(key: JobKey): Promise<{ data: Record<string, unknown> }> {
    return this._ask('GET', `${of(key)}/card`, { target: key.target });
  }

  /** The form for the run of a notebook. */
  form(path: string): Promise<Form> {
    return this._ask('GET', 'runs/form', { path });
  }

  /** Run a whole notebook. */
  run(request: RunRequest): Promise<Begun> {
    return this._ask('POST', 'runs', {}, request, PATIENCE_TO_SUBMIT);
  }

  /** How far the executed notebook of a run is. */
  outcome(output: string): Promise<Outcome> {
    return this._ask('GET', 'runs', { output });
  }

  submit(request: Partial<Submit>): Promise<Submitted> {
    return this._ask('POST', 'jobs', {}, request, PATIENCE_TO_SUBMIT);
  }

  private async _ask<T>(
    method: string,
    path: string,
    parameters: Parameters = {},
    body?: unknown,
    patience = PATIENCE
  ): Promise<T> {
    const query = Object.entries(parameters)
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
      .join('&');
    const url = URLExt.join(this._settings.baseUrl, NAMESPACE, path) + (query ? `?${query}` : '');
    const ended = new AbortController();
    const timer = setTimeout(() => ended.abort(), patience);
    const init: RequestInit = { method, signal: ended.signal };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    try {
      const response = await ServerConnection.makeRequest(url, init, this._settings);
      const text = await response.text();
      if (!response.ok) {
        throw new ProblemError(problemOf(text, response.status));
      }
      return (text ? JSON.parse(text) : undefined) as T;
    } catch (error) {
      throw error instanceof ProblemError ? error : new ProblemError(unreachable(ended.signal.aborted));
    } finally {
      clearTimeout(timer);
    }
  }
}

function of(key: JobKey): string {
  return `jobs/${encodeURIComponent(key.id)}`;
}

function problemOf(text: string, status: number): Problem {
  try {
    const problem = JSON.parse(text);
    if (typeof problem?.detail === 'string') {
      return { type: '', title: '', hint: '', errors: [], ...problem, status };
    }
  } catch {
    // Not ours: a proxy's page, or a server without the extension.
  }
  const detail =
    status === 404
      ? 'The Jupyter server does not know sovlab.'
      : `The Jupyter server answered ${status} where sovlab was asked.`;
  const hint = status === 404 ? 'Restart the server; `jupyter server extension list` should show sovlab.' : '';
  return { type: '', title: '', status, detail, hint, errors: [] };
}

function unreachable(late: boolean): Problem {
  const detail = late ? 'The Jupyter server took too long to answer.' : 'The Jupyter server cannot be reached.';
  return { type: '', title: '', status: 0, detail, hint: 'Jobs go on without it; try again.', errors: [] };
}
