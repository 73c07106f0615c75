import type { Brand, BrandBody } from '#/api/types';
import { useWords } from '#/lib/words';
import { contrast, isColour, LEAST_CONTRAST, PAIRS, shownContrast } from './colours';

type Props = { brand: BrandBody; logo: string | null };

/** How a page of the brand would look, and whether text on it can be read. */
export function BrandSample({ brand, logo }: Props) {
  const t = useWords();
  const colour = (text: string) => (isColour(text) ? text : undefined);
  return (
    <div className="flex flex-col gap-3">
      <div
        role="img"
        aria-label={t('brands.sample')}
        className="flex flex-col items-start gap-3 overflow-hidden rounded-control border border-line p-4"
        style={{ backgroundColor: colour(brand.background), color: colour(brand.foreground) }}
      >
        {logo ? (
          <img src={logo} alt="" className="h-8 max-w-40 object-contain object-left" />
        ) : (
          <span className="text-lg font-semibold">{brand.name || t('brands.name')}</span>
        )}
        <span className="text-sm">{t('brands.sample_text')}</span>
        <span
          className="rounded-control px-3 py-1.5 text-sm font-medium"
          style={{ backgroundColor: colour(brand.accent), color: colour(brand.on_accent) }}
        >
          {t('brands.sample_button')}
        </span>
      </div>
      <ul className="flex flex-col gap-1 text-sm text-ink-2">
        {PAIRS.map(({ text, ground }) => {
          const value = contrast(brand[text], brand[ground]);
          if (value === null) return null;
          const enough = value >= LEAST_CONTRAST;
          return (
            <li key={text} className={enough ? '' : 'text-bad-ink'}>
              {t(enough ? 'brands.contrast' : 'brands.contrast_low', {
                text: t(`brand_colour.${text}`),
                value: shownContrast(value),
              })}
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** The colours in small, beside a name. */
export function Swatch({ brand }: { brand: Brand }) {
  return (
    <span
      aria-hidden
      className="mr-2 inline-flex h-4 w-7 overflow-hidden rounded-tag border border-line align-[-3px]"
    >
      <span className="flex-1" style={{ backgroundColor: brand.accent }} />
      <span className="flex-1" style={{ backgroundColor: brand.background }} />
    </span>
  );
}
