/** A real JupyterLab with sovlab as it is installed, and all that it writes in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const HERE = path.resolve(__dirname, '..');
export const ROOT = path.resolve(HERE, '..', '..');
export const PYTHON = process.env.SOVLAB_UI_PYTHON || path.join(ROOT, '.venv', 'bin', 'python');
/** Which pages: those of JupyterLab, or those of Jupyter Notebook 7. */
export const APP = process.env.SOVLAB_UI_APP === 'notebook' ? 'notebook' : 'lab';

export interface LabOptions {
  /** Lines of the settings file. */
  config?: string;
  /** More arguments of the server. */
  args?: string[];
  baseUrl?: string;
  /** Extensions of the page that are off. */
  disabled?: string[];
  /** The module that is the server, if not JupyterLab. */
  app?: 'jupyterlab' | 'notebook';
  /** Where notebooks are, if not in its own folder. */
  work?: string;
}

export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

export class Lab {
  constructor(private _options: LabOptions = {}) {
    for (const folder of ['config', 'data', 'runtime', 'ipython', 'state', 'settings', 'workspaces', 'work']) {
      fs.mkdirSync(path.join(this.folder, folder));
    }
    fs.writeFileSync(this._path('config.toml'), _options.config ?? '');
    const off = Object.fromEntries((_options.disabled ?? []).map(each => [each, true]));
    fs.mkdirSync(this._path('config/labconfig'));
    fs.writeFileSync(this._path('config/labconfig/page_config.json'), JSON.stringify({ disabledExtensions: off }));
  }

  /** Where all is; short, for it holds sockets. */
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sovui-'));
  url = '';

  /** Where notebooks are. */
  get work(): string {
    return this._options.work ?? this._path('work');
  }

  /** Of processes that are to keep what they write in this folder. */
  get environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PATH: `${path.dirname(PYTHON)}:${process.env.PATH}`,
      SOVLAB_UI_PORT: String(this._port),
      JUPYTERLAB_GALATA_ROOT_DIR: this.work,
      JUPYTER_CONFIG_DIR: this._path('config'),
      JUPYTER_DATA_DIR: this._path('data'),
      JUPYTER_RUNTIME_DIR: this._path('runtime'),
      JUPYTERLAB_SETTINGS_DIR: this._path('settings'),
      JUPYTERLAB_WORKSPACES_DIR: this._path('workspaces'),
      IPYTHONDIR: this._path('ipython'),
      SOVLAB_STATE_DIR: this._path('state'),
      SOVLAB_CONFIG_FILE: this._path('config.toml')
    };
  }

  /** Begin, or begin again at the same place; until it answers. */
  async start(): Promise<void> {
    this._port ||= await freePort();
    const { app = APP === 'notebook' ? 'notebook' : 'jupyterlab', args = [], baseUrl = '/' } = this._options;
    this.url = `http://127.0.0.1:${this._port}${baseUrl}`.replace(/\/$/, '');
    const log = fs.openSync(this._path('server.log'), 'a');
    this._child = spawn(
      PYTHON,
      [
        ...['-m', app, '--config', path.join(HERE, 'jupyter_server_test_config.py')],
        ...[`--ServerApp.base_url=${baseUrl}`, '--SovlabServer.linger=1', ...args]
      ],
      {
        cwd: this.work,
        stdio: ['ignore', log, log],
        env: this.environment
      }
    );
    fs.closeSync(log);
    while (!(await fetch(`${this.url}/api`).then(answer => answer.ok, () => false))) {
      if (this._child.exitCode !== null) {
        throw new Error(`The server has ended:\n${fs.readFileSync(this._path('server.log'), 'utf8')}`);
      }
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  /** Bytes of memory that the server has. */
  resident(): number {
    const status = fs.readFileSync(`/proc/${this._child!.pid}/status`, 'utf8');
    return Number(/VmRSS:\s*(\d+)/.exec(status)![1]) * 1024;
  }

  /** End the server, by SIGTERM as its user would or by SIGKILL; jobs go on. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this._child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill(signal);
      // A server that is told to end while a kernel of it begins may wait for that kernel for good.
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(timer);
    }
  }

  /** End it and its jobs, and remove the folder. */
  async remove(): Promise<void> {
    this.openAll();
    await this.stop();
    await this._endAgent();
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
  }

  /** The process that keeps the jobs of this folder would wait for more of them. */
  private async _endAgent(): Promise<void> {
    for (const name of fs.readdirSync('/proc').filter(each => /^\d+$/.test(each))) {
      const command = await fs.promises.readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
      if (command.includes('sovlab.executors.local') && command.includes(this._path('state'))) {
        process.kill(Number(name), 'SIGTERM');
      }
    }
  }

  /** A job that begins, waits until its gate is opened, and ends. No test waits for a time. */
  gated(name: string, more = ''): string {
    const gate = this.gate(name);
    return [
      'import pathlib, time',
      'print("begun")',
      `until = time.monotonic() + 600`,
      `while not pathlib.Path(${JSON.stringify(gate)}).exists() and time.monotonic() < until:`,
      '    time.sleep(0.05)',
      'print("ended")',
      more
    ].join('\n');
  }

  /** The path of a gate, which `open` makes; all are opened at the end. */
  gate(name: string): string {
    const gate = this._path(`gate-${name}`);
    this._gates.push(gate);
    return gate;
  }

  open(name: string): void {
    fs.writeFileSync(this._path(`gate-${name}`), '');
  }

  openAll(): void {
    this._gates.forEach(gate => fs.writeFileSync(gate, ''));
  }

  /** Write a notebook of code cells. */
  write(name: string, sources: string[], outputs: Record<number, unknown[]> = {}): void {
    const cells = sources.map((source, i) => ({
      cell_type: 'code',
      id: `cell-${i}`,
      execution_count: null,
      metadata: {},
      source,
      outputs: outputs[i] ?? []
    }));
    const kernelspec = { name: 'python3', display_name: 'Python 3', language: 'python' };
    const document = { cells, metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 };
    fs.writeFileSync(path.join(this.work, name), JSON.stringify(document));
  }

  read(name: string): { cells: { source: string | string[]; outputs: { data?: Record<string, unknown> }[] }[] } {
    return JSON.parse(fs.readFileSync(path.join(this.work, name), 'utf8'));
  }

  private _path(name: string): string {
    return path.join(this.folder, name);
  }

  private _child: ChildProcess | null = null;
  private _gates: string[] = [];
  private _port = 0;
}
