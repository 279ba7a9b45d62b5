/** The renderer of a job's card in an output. It needs no plugin, no kernel and no server to show what was saved. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { Card } from './card/card';
import { CARD_MIME } from './model/types';
import { english } from './model/words';

export class CardRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(options: IRenderMime.IRendererOptions) {
    super();
    this.addClass('jp-Sovlab');
    this.addClass('jp-Sovlab-rendered');
    const trans = options.translator?.load('sovlab') ?? english;
    this._mimeType = options.mimeType;
    this._card = new Card({ trans, sanitizer: options.sanitizer });
    this._unreadable = trans.__('This output says that it is the card of a job, and is none.');
  }

  /** Show the data; may be called again and again with new data. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const shown = this._card.set(model.data[this._mimeType], model.data['text/html'], model.trusted);
    if (!shown) {
      this.node.textContent = this._unreadable;
    } else if (!this._card.node.isConnected || this._card.node.parentNode !== this.node) {
      this.node.replaceChildren(this._card.node);
    }
    this._card.paint();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._card.dispose();
      super.dispose();
    }
  }

  private _card: Card;
  private _mimeType: string;
  private _unreadable: string;
}

export const rendererFactory: IRenderMime.IRendererFactory = {
  safe: true,
  mimeTypes: [CARD_MIME],
  createRenderer: options => new CardRenderer(options)
};

const extension: IRenderMime.IExtension = {
  id: 'sovlab:card',
  description: 'Shows the card of a job in an output.',
  rendererFactory,
  // Before ipywidgets (-10): an output that has both shows without a kernel.
  rank: -20,
  dataType: 'json'
};

export default extension;
