/** What was sent for a job: its code, and names, types and sizes of the rest. No value is among it. */
import { h, say } from '../card/dom';
import { ProblemError } from '../model/problems';
import type { Sent } from '../model/types';
import { bytes } from '../model/units';
import type { Trans } from '../model/words';

export class SentView {
  constructor(
    private _trans: Trans,
    private _ask: () => Promise<Sent>
  ) {}

  readonly node = h('div', { class: 'jp-Sovlab-said' });

  /** It never changes: it is asked for once. */
  async show(): Promise<void> {
    if (this._shown) {
      return;
    }
    this._shown = true;
    say(this.node, '…');
    try {
      this.node.replaceChildren(...this._parts(await this._ask()));
    } catch (error) {
      this._shown = false;
      say(this.node, error instanceof ProblemError ? `${error.problem.detail} ${error.problem.hint}` : String(error));
    }
  }

  private _parts(sent: Sent): HTMLElement[] {
    const trans = this._trans;
    const parts: HTMLElement[] = [];
    const list = (title: string, texts: readonly string[]) => {
      if (texts.length) {
        parts.push(h('h4', {}, title), h('ul', {}, ...texts.map(text => h('li', {}, h('bdi', {}, text)))));
      }
    };
    if (sent.notes.length) {
      parts.push(h('div', { class: 'jp-Sovlab-empty' }, sent.notes.join('\n')));
    }
    const facts: [string, string][] = [
      [trans.__('Payload'), bytes(sent.payload)],
      [trans.__('Python'), sent.python || '—'],
      [trans.__('SHA-256'), sent.digest || '—'],
      ...Object.entries(sent.options)
    ];
    parts.push(
      h('dl', { class: 'jp-Sovlab-facts' }, ...facts.flatMap(([label, text]) => [h('dt', {}, label), h('dd', {}, h('bdi', {}, text))]))
    );
    if (sent.source) {
      const rest = sent.cut ? `\n${trans.__('… %1 more characters', sent.cut)}` : '';
      parts.push(
        h('h4', {}, trans.__('Code')),
        h('pre', { class: 'jp-Sovlab-yaml', tabindex: 0, 'aria-label': trans.__('Code') }, sent.source + rest)
      );
    }
    if (sent.variables.length) {
      const heads = [trans.__('Variable'), trans.__('Type'), trans.__('Size')];
      parts.push(
        h('h4', {}, trans.__('Variables')),
        h(
          'table',
          { class: 'jp-Sovlab-table' },
          h('thead', {}, h('tr', {}, ...heads.map(each => h('th', { scope: 'col' }, each)))),
          h(
            'tbody',
            {},
            ...sent.variables.map(each =>
              h('tr', {}, h('td', {}, h('bdi', {}, each.name)), h('td', {}, h('bdi', {}, each.type)), h('td', {}, bytes(each.bytes)))
            )
          )
        )
      );
    }
    list(trans.__('Files and modules'), sent.files.map(each => `${each.path} · ${bytes(each.bytes)}`));
    list(trans.__('Arguments'), sent.args);
    list(trans.__('Environment, names only'), sent.env);
    list(trans.__('Not sent, for they look like secrets'), sent.withheld);
    return parts;
  }

  private _shown = false;
}
