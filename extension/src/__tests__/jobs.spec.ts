import { JobList } from '../model/jobs';
import type { JobsQuery } from '../model/rest';
import type { JobPage, JobRow } from '../model/types';
import { reading, row } from './made';

const snapshot = (jobs: JobRow[], total = jobs.length) => ({
  type: 'snapshot' as const,
  target: 'local',
  revision: 1,
  total,
  counts: {},
  jobs
});
const records = (jobs: JobRow[], total: number, removed: string[] = []) => ({
  type: 'records' as const,
  target: 'local',
  revision: 2,
  total,
  counts: {},
  jobs,
  removed
});
const ids = (list: JobList, count = list.length) =>
  Array.from({ length: count }, (_, index) => list.at(index)?.id ?? null);

/** The server's side of the list of jobs: 10,000 of them. */
class Server {
  rows = Array.from({ length: 10_000 }, (_, i) => row(`job-${i}`, { submitted: i, state: 'succeeded', ended: i }));
  asked: JobsQuery[] = [];
  async jobs(query: JobsQuery): Promise<JobPage> {
    this.asked.push(query);
    const { page = 0, size = 100, q = '' } = query;
    const found = this.rows.filter(each => each.name.includes(q));
    found.sort((a, b) => (query.order === 'asc' ? a.submitted! - b.submitted! : b.submitted! - a.submitted!));
    const jobs = found.slice(page * size, (page + 1) * size);
    const health = { target: 'local', state: 'live' as const, seen: 1, problem: null };
    return { target: 'local', page, size, total: found.length, counts: {}, jobs, health };
  }
}

/** Wait for what a list says, not for a time. */
async function until(list: JobList, holds: () => boolean): Promise<void> {
  if (!holds()) {
    await new Promise<void>(done => {
      const look = () => {
        if (holds()) {
          list.changed.disconnect(look);
          done();
        }
      };
      list.changed.connect(look);
    });
  }
}

describe('few jobs', () => {
  it('are sorted and filtered without asking the server', () => {
    const server = new Server();
    const list = new JobList('local', server);
    list.snapshot(
      snapshot([
        row('a', { submitted: 1, energy: reading(5), state: 'failed' }),
        row('b', { submitted: 3, energy: null }),
        row('c', { submitted: 2, energy: reading(9), message: 'needs GPUs' })
      ])
    );
    expect(ids(list)).toEqual(['b', 'c', 'a']);
    list.show({ sort: 'energy', order: 'desc' });
    expect(ids(list)).toEqual(['c', 'a', 'b']);
    list.show({ sort: 'energy', order: 'asc' });
    expect(ids(list)).toEqual(['a', 'c', 'b']);
    list.show({ q: 'gpus' });
    expect(ids(list)).toEqual(['c']);
    list.show({ q: '', states: ['failed'] });
    expect(ids(list)).toEqual(['a']);
    expect(server.asked).toHaveLength(0);
  });

  it('tell which have turned', () => {
    const list = new JobList('local', new Server());
    list.snapshot(snapshot([row('a'), row('b')]));
    const turned = list.records(records([row('a', { state: 'failed' }), row('c')], 3));
    expect(turned.map(each => [each.row.id, each.before, each.row.state])).toEqual([['a', 'running', 'failed']]);
    expect(list.length).toBe(3);
    list.records(records([], 2, ['b']));
    expect(list.get('b')).toBeUndefined();
    expect(list.length).toBe(2);
  });
});

describe('ten thousand jobs', () => {
  it('are had by pages, and only those in view', async () => {
    const server = new Server();
    const list = new JobList('local', server, 0);
    list.snapshot(snapshot(server.rows.slice(-200), 10_000));
    await until(list, () => list.length === 10_000);
    list.ensure(5000, 5040);
    await until(list, () => list.at(5000) !== null);
    expect(list.at(5000)!.id).toBe('job-4999');
    expect(list.at(9000)).toBeNull();
    expect(server.asked.length).toBeLessThanOrEqual(3);
  });

  it('are filtered by the server, and a late answer to an older question is left aside', async () => {
    const server = new Server();
    const list = new JobList('local', server, 0);
    list.snapshot(snapshot(server.rows.slice(-200), 10_000));
    list.show({ q: 'job-99' });
    list.show({ q: 'job-999' });
    await until(list, () => list.at(0) !== null);
    expect(list.length).toBe(11);
    expect(server.asked[server.asked.length - 1].q).toBe('job-999');
  });

  it('are asked for anew when one comes, and a change of a known one shows at once', async () => {
    const server = new Server();
    const list = new JobList('local', server, 0);
    list.snapshot(snapshot(server.rows.slice(-200), 10_000));
    await until(list, () => list.at(0) !== null);
    list.records(records([{ ...list.at(0)!, message: 'new words' }], 10_000));
    expect(list.at(0)!.message).toBe('new words');
    const fresh = row('fresh', { submitted: 20_000 });
    server.rows.push(fresh);
    list.records(records([fresh], 10_001));
    await until(list, () => list.at(0)?.id === 'fresh');
    expect(list.length).toBe(10_001);
  });

  it('say why they cannot be listed', async () => {
    const problem = { type: '', title: '', status: 503, detail: 'no answer', hint: 'wait', errors: [] };
    const list = new JobList('local', { jobs: () => Promise.reject({ problem }) }, 0);
    list.snapshot(snapshot([row('a')], 10_000));
    await until(list, () => list.problem !== null);
    expect(list.problem).toEqual(problem);
  });
});
