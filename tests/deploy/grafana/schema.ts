// The dashboards' types by Grafana's own schema, and stricter: the options and
// fields of each panel are those of its kind. `schema.sh` compiles them.

import type {
  AnnotationQuery, Dashboard, DashboardLink, DataQuery, FieldConfig, Panel,
  RowPanel,
} from '@grafana/schema';
import type * as BarGauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as Stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as Table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as TimeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON has the values of an enum where TypeScript wants its names.
type Json<T> = T extends string ? `${T}`
  : T extends object ? {[Key in keyof T]: Json<T[Key]>} : T;

// The package has no type for queries of Prometheus.
interface Target extends DataQuery {
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  format?: 'table' | 'time_series' | 'heatmap';
}

// What is absent has the panel's default.
interface Of<Kind, Options, Custom> extends Omit<
    Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'links'> {
  type: Kind;
  options?: Partial<Options>;
  fieldConfig: {
    defaults: Omit<FieldConfig, 'custom'> & {custom?: Partial<Custom>};
    overrides: NonNullable<Panel['fieldConfig']>['overrides'];
  };
  targets: Target[];
  links?: Array<Partial<DashboardLink>>;
}

type AnyPanel =
  | Of<'bargauge', BarGauge.Options, {}>
  | Of<'stat', Stat.Options, {}>
  | Of<'table', Table.Options, Table.FieldConfig>
  | Of<'timeseries', TimeSeries.Options, TimeSeries.FieldConfig>;

interface Annotation extends AnnotationQuery<Target> {
  titleFormat?: string;
  useValueForTime?: boolean;
}

export type Checked = Json<Omit<Dashboard, 'panels' | 'annotations'> & {
  panels: Array<AnyPanel | RowPanel>;
  annotations: {list: Annotation[]};
}>;
