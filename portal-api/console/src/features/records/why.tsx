import { Link } from '@tanstack/react-router';
import type { FieldProvenance, Provenance } from '#/api/types';
import { useWords } from '#/lib/words';
import { LINK } from '#/ui/link';
import { Time } from '#/ui/time';
import { Value } from '#/ui/value';
import './words';

type WhyProps = { id: string; field: FieldProvenance; connections: Provenance['connections'] };

/** The decision behind a value, in a sentence, and what can be opened to check it. */
export function Why({ id, field, connections }: WhyProps) {
  const t = useWords();
  const { origin } = field;
  return (
    <div id={id} className="flex max-w-prose flex-col gap-1 text-sm text-ink">
      <p>{origin?.sentence ?? t('grid.no_origin_text')}</p>
      {origin && (
        <p className="flex flex-wrap gap-x-4 text-xs text-ink-2">
          <Time at={origin.at} as="full" />
          {origin.rule && <span>{t('grid.by_rule', { rule: origin.rule })}</span>}
          {origin.mapping_version != null && (
            <span>{t('grid.mapping_version', { version: origin.mapping_version })}</span>
          )}
          {field.group && <span>{t('grid.group', { group: field.group })}</span>}
          {origin.run_id && (
            <Link to="/runs/$id" params={{ id: origin.run_id }} className={LINK}>
              {t('grid.run')}
            </Link>
          )}
        </p>
      )}
      {field.sides.map((side) => {
        const name = connections.find((one) => one.id === side.connection_id)?.name ?? side.connection_id;
        return (
          <p key={side.connection_id} className="flex flex-wrap gap-x-2 text-xs text-ink-2">
            <span>{name}:</span>
            <span className="text-ink">
              <Value whole value={side.present ? side.value : null} type={field.type} />
            </span>
            {side.base_present && (
              <span>
                {t('grid.base')}: <Value whole value={side.base} type={field.type} />
              </span>
            )}
            {side.at && <Time at={side.at} as="age" />}
            {side.error && <span className="text-bad-ink">{side.error}</span>}
          </p>
        );
      })}
    </div>
  );
}
