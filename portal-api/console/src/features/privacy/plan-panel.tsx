import { useQuery } from '@tanstack/react-query';
import { useWords } from '#/lib/words';
import { Panel } from '#/ui/panel';
import { QueryView } from '#/ui/query-view';
import { erasurePlanQuery, type Whom } from './queries';
import './words';
import { TraceList } from './trace-list';

/** What forgetting somebody would destroy, by the statements that would do it. */
export function PlanPanel(whom: Whom) {
  const t = useWords();
  const query = useQuery(erasurePlanQuery(whom));
  return (
    <Panel title={t('erasures.plan')}>
      <QueryView query={query} loading={t('erasures.plan_loading')} skeletonRows={5}>
        {({ destroyed }) => (
          <div className="flex flex-col gap-3">
            <p className="text-sm text-ink-2">{t('erasures.plan_text')}</p>
            <TraceList destroyed={destroyed} />
          </div>
        )}
      </QueryView>
    </Panel>
  );
}
