/** A cluster on this machine, whose API can be taken away: the fake that the Python tests have, as a process. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { PYTHON, ROOT } from './lab';

export class Cluster {
  /** Its folder; the kubeconfig is in it. */
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sovkube-'));
  kubeconfig = '';

  async start(): Promise<void> {
    const where = ['--dir', this.folder, '--namespace', 'research', '--node', 'node-1:cpu=8,memory=16Gi'];
    this._child = spawn(PYTHON, ['-m', 'tests.kube.apiserver', ...where], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit']
    });
    this.kubeconfig = await new Promise<string>((resolve, reject) => {
      createInterface({ input: this._child!.stdout! }).once('line', resolve);
      this._child!.once('exit', code => reject(new Error(`The cluster has ended: ${code}`)));
    });
  }

  /** Lines of a settings file for a target on it. */
  target(name: string): string {
    return [
      `[targets.${name}]`,
      'executor = "kubernetes"',
      `[targets.${name}.kubernetes]`,
      'context = "admin"',
      'namespace = "research"',
      `kubeconfig = ${JSON.stringify(this.kubeconfig)}`,
      'image = "registry.site/sovlab-cpu:1"',
      'user = 1000',
      ''
    ].join('\n');
  }

  /** Take the API away, or bring it back; what runs goes on. */
  away(gone: boolean): void {
    this._child!.kill(gone ? 'SIGUSR1' : 'SIGUSR2');
  }

  async remove(): Promise<void> {
    const child = this._child;
    if (child && child.exitCode === null) {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
  }

  private _child: ChildProcess | null = null;
}
